// What htmx leaves to do: say when the page is no longer refreshed, and put the focus where it belongs.
"use strict";

// A live page that cannot reach the server says so; silence would look like an empty register.
function stale(on) {
  const notice = document.getElementById("stale");
  if (notice) notice.hidden = !on;
}
document.addEventListener("htmx:sendError", () => stale(true));
document.addEventListener("htmx:timeout", () => stale(true));
document.addEventListener("htmx:responseError", (event) => stale(event.detail.xhr.status >= 500));
document.addEventListener("htmx:afterRequest", (event) => { if (event.detail.successful) stale(false); });

// The server names the element that has the focus after a panel was opened or closed.
document.addEventListener("focus-on", (event) => {
  const element = document.getElementById(event.detail.value);
  if (element) element.focus();
});

// Closing an open panel needs no request; the focus goes back to where it was opened.
function close(link) {
  const panel = document.getElementById("panel");
  if (!panel) return;
  panel.remove();
  const opener = document.getElementById(link.dataset.focus);
  if (opener) opener.focus();
}
document.addEventListener("click", (event) => {
  const link = event.target.closest ? event.target.closest("[data-close]") : null;
  if (!link || !document.getElementById("panel")) return;
  event.preventDefault();
  close(link);
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  const link = event.target.closest && event.target.closest("#panel") && document.querySelector("#panel [data-close]");
  if (link) close(link);
});
