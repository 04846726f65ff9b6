// What htmx leaves to do: say when the page is no longer refreshed, put the focus where it belongs, and keys that mark.
// Every page works without this.
"use strict";

// A live page that cannot reach the server says so; silence would look like an empty register.
function stale(on) {
  const notice = document.getElementById("stale");
  if (notice) notice.hidden = !on;
}
document.addEventListener("htmx:sendError", () => stale(true));
document.addEventListener("htmx:timeout", () => stale(true));
document.addEventListener("htmx:responseError", (event) => {
  const { status, responseText } = event.detail.xhr;
  stale(status >= 500);
  // What the server does not do it says in plain text.
  const told = document.getElementById("told");
  if (!told || status >= 500 || status === 401) return;
  told.textContent = responseText;
  told.className = "told bad";
});
document.addEventListener("htmx:afterRequest", (event) => { if (event.detail.successful) stale(false); });

// The server names the element that has the focus after a panel was opened or closed.
function focusOn(id) {
  const element = document.getElementById(id);
  if (element) { element.focus(); if (element.select) element.select(); }
}
document.addEventListener("focus-on", (event) => focusOn(event.detail.value));

// A student's name opens their panel below the row; without scripts, or in another tab, it is a page.
document.addEventListener("click", (event) => {
  const link = event.target.closest ? event.target.closest("#rows a.name") : null;
  if (!link || event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
  event.preventDefault();
  openPanel(link);
});
// One panel is open at a time: the one before goes as the new one comes, and stays with what was typed if none comes.
function openPanel(link, more = "") {
  const before = document.getElementById("panel");
  htmx.ajax("GET", link.getAttribute("href") + more, { source: link, target: link.closest("tr"), swap: "afterend" }).then(() => {
    if (before && document.querySelectorAll("#panel").length > 1) before.remove();
  });
}

// Closing an open panel needs no request; the focus goes back to where it was opened.
function close(link) {
  const panel = document.getElementById("panel");
  if (!panel) return;
  panel.remove();
  focusOn(link.dataset.focus);
}
document.addEventListener("click", (event) => {
  const link = event.target.closest ? event.target.closest("[data-close]") : null;
  if (!link || !document.getElementById("panel")) return;
  event.preventDefault();
  close(link);
});

// Whatever changes a register says which version of it the page shows: the answer is what has changed since.
function shown() {
  const poll = document.getElementById("poll");
  return poll ? new URL(poll.getAttribute("hx-get"), location.href).searchParams.get("v") : "";
}
document.addEventListener("htmx:configRequest", (event) => {
  if (event.detail.verb === "post" && document.getElementById("poll")) event.detail.parameters.v = shown();
});

// --- the register's keys ------------------------------------------------------------------------------------------

const table = document.querySelector("table.register.marking");
const letters = new Map();
if (table) {
  for (const pair of table.dataset.keys.trim().split(" ")) {
    const [key, code] = pair.split(":");
    if (code) letters.set(key, code);
  }
}
// Somebody whose speech or hand sends stray letters can switch them off (WCAG 2.1.4).
const chosen = document.getElementById("keys");
const KEY = "muster-keys";
function wanted() { return !chosen || chosen.checked; }
if (chosen) {
  try { chosen.checked = localStorage.getItem(KEY) !== "off"; } catch { /* not kept, then */ }
  chosen.addEventListener("change", () => {
    try { localStorage.setItem(KEY, chosen.checked ? "on" : "off"); } catch { /* not kept, then */ }
  });
}

const students = () => [...document.querySelectorAll("#rows > tr[id^='p']")].filter((row) => row.id !== "panel");
const rowOf = (element) => element && element.closest ? element.closest("#rows > tr[id^='p']:not(#panel)") : null;
const ticked = () => [...document.querySelectorAll("#rows .tick input:checked")];

function goTo(row) {
  if (!row) return;
  const link = row.querySelector("a.name");
  link.focus();
  row.scrollIntoView({ block: "nearest" });
}
function step(by) {
  const all = students();
  const here = rowOf(document.activeElement);
  goTo(all[here ? Math.min(all.length - 1, Math.max(0, all.indexOf(here) + by)) : 0]);
}
// After a mark: the next student without one, else the next.
function goOn(row) {
  const all = students();
  const at = all.indexOf(row);
  const after = all.slice(at + 1);
  goTo(after.find((one) => one.hasAttribute("data-open")) || after[0] || row);
}

// One after the other: who types quickly loses no mark, and each answer is what changed since the one before.
let before = Promise.resolve();
function later(work) {
  before = before.then(work).catch(() => {});
}
function post(action, values) {
  return htmx.ajax("POST", action, { source: document.body, swap: "none", values: { ...values, v: shown() } });
}
function send(values) {
  const form = document.getElementById("bulk");
  const data = { csrf: form.elements.csrf.value };
  if (form.elements.order) data.order = form.elements.order.value;
  later(() => post(form.action, { ...data, ...values }));
}
function verify() {
  later(() => {
    const button = document.getElementById("verify");
    return button ? post(button.form.action, Object.fromEntries(new FormData(button.form))) : null;
  });
}
function mark(code, row) {
  const all = ticked();
  if (all.length) return send({ code, p: all.map((box) => box.value) });
  if (!row) return;
  const [person, seen] = row.querySelector(".tick input").value.split(".");
  goOn(row);
  send({ set: `${person}.${seen}.${code}` });
}
function count() {
  const many = document.getElementById("many");
  if (!many) return;
  const all = ticked().length;
  many.textContent = all ? `· ${all} selected` : "";
  document.getElementById("bulk").querySelector("button.main").disabled = !all;
  document.querySelector(".dock").classList.toggle("up", !!all || !!document.getElementById("told").textContent);
}
if (table) {
  document.addEventListener("change", (event) => {
    if (!event.target.closest(".tick")) return;
    count();
    if (ticked().length) document.getElementById("several").open = true;
  });
  document.addEventListener("htmx:afterSettle", count);
  count();
}
// A mark that needs minutes: the student's own form asks for them.
document.addEventListener("open-panel", (event) => {
  const [person, code] = event.detail.value.split(".");
  const link = document.getElementById(`c${person}`);
  if (link) openPanel(link, `?code=${code}`);
});

const typing = (element) => element.closest && element.closest("input:not([type=checkbox]):not([type=radio]), select, textarea, #panel, dialog");
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") {
    const link = event.target.closest && event.target.closest("#panel") && document.querySelector("#panel [data-close]");
    if (link) close(link);
    return;
  }
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || typing(event.target) || !wanted()) return;
  const nowhere = event.target === document.body || event.target === document.getElementById("main");
  const row = rowOf(event.target);
  const inside = row || nowhere;
  if (!inside) return;
  if (event.key === "v") {
    if (table && !event.repeat) verify();
    return;
  }
  if (!table) return;
  if (event.key === "ArrowDown" || event.key === "j") { event.preventDefault(); step(1); return; }
  if (event.key === "ArrowUp" || event.key === "k") { event.preventDefault(); step(-1); return; }
  if (event.key === "x" && row) {
    const box = row.querySelector(".tick input");
    box.click();
    return;
  }
  const code = letters.get(event.key.toLowerCase());
  if (!code || event.repeat) return;
  if (event.shiftKey) { event.preventDefault(); send({ code, all: "1" }); return; }
  // A letter alone marks the student who has the focus, or those selected: never somebody unseen.
  if (row || ticked().length) { event.preventDefault(); mark(code, row); }
});
