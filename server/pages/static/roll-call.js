// The roll-call on a phone: keeps the list for when there is no network, and the ticks on this phone alone.
// Without this the page works as it was loaded, and is lost when it is closed.
"use strict";

(() => {
  const CACHE = "muster-roll-call";
  const DAY_MS = 24 * 3600 * 1000;
  const EVERY_MS = 60 * 1000;
  const script = document.currentScript;
  const address = script.dataset.keep;
  const ticksKey = `muster-roll-call:${address}`;

  async function keep() {
    if (!("caches" in window) || !("serviceWorker" in navigator)) return false;
    await navigator.serviceWorker.register("/residence/worker.js", { scope: "/residence/" });
    const answer = await fetch(`${address}/live`, { credentials: "same-origin" });
    if (answer.status >= 500) return false;
    if (answer.redirected || !answer.ok) {
      await caches.delete(CACHE);
      return false;
    }
    const cache = await caches.open(CACHE);
    await put(cache, address, answer);
    came(answer.headers.get("x-as-known-ms"));
    const style = document.querySelector("link[rel=stylesheet]");
    for (const one of [style && style.href, script.src]) {
      if (one && !(await cache.match(one))) await put(cache, one, await fetch(one));
    }
    return true;
  }
  // When a list came is taken from this device's clock: whether that is right does not matter to how old it is.
  const cameKey = `muster-roll-call:${address}:came`;
  function came(known) {
    try { localStorage.setItem(cameKey, JSON.stringify({ known, ms: Date.now() })); } catch { /* not kept, then */ }
  }
  async function put(cache, to, answer) {
    const headers = new Headers({ "x-kept-ms": String(Date.now()) });
    for (const name of ["content-type", "content-security-policy", "x-content-type-options", "referrer-policy"]) {
      if (answer.headers.get(name)) headers.set(name, answer.headers.get(name));
    }
    await cache.put(to, new Response(await answer.blob(), { headers }));
  }
  async function forget() {
    if ("caches" in window) await caches.delete(CACHE);
    for (const key of Object.keys(localStorage)) if (key.startsWith("muster-roll-call:")) localStorage.removeItem(key);
  }

  const list = document.getElementById("roll-call");
  const told = document.getElementById("kept");
  function keeping() {
    keep().then(
      (done) => { if (told && done) told.textContent = "Kept on this device for a day, for when there is no network."; },
      () => { if (told) told.textContent = "No network now. This is the list as it was last known; nothing newer is on it."; },
    );
  }
  if (!list) {
    keeping();
    setInterval(keeping, EVERY_MS);
    return;
  }

  const boxes = [...list.querySelectorAll(".residents input")];
  const count = document.getElementById("count");
  function counted() {
    const safe = boxes.filter((box) => box.checked).length;
    count.textContent = `${safe} of ${boxes.length} ticked, ${boxes.length - safe} to find`;
  }
  function ticks() {
    try {
      const found = JSON.parse(localStorage.getItem(ticksKey) || "{}");
      return Date.now() - found.at < DAY_MS ? new Set(found.ids) : new Set();
    } catch { return new Set(); }
  }
  const held = ticks();
  for (const box of boxes) box.checked = held.has(box.value);
  counted();
  list.addEventListener("change", () => {
    counted();
    const ids = boxes.filter((box) => box.checked).map((box) => box.value);
    try { localStorage.setItem(ticksKey, JSON.stringify({ at: Date.now(), ids })); } catch { /* not kept, then */ }
  });
  const only = document.getElementById("only");
  only.addEventListener("change", () => list.classList.toggle("rest", only.checked));
  document.getElementById("afresh").addEventListener("click", () => {
    for (const box of boxes) box.checked = false;
    localStorage.removeItem(ticksKey);
    counted();
  });
  document.getElementById("forget").addEventListener("click", async () => {
    await forget();
    document.getElementById("lists").remove();
    told.textContent = "Forgotten: nothing of this list is kept on this device.";
    clearInterval(ageing);
    clearInterval(keeps);
  });
  for (const one of document.querySelectorAll("[data-script]")) one.hidden = false;

  let at = Date.now();
  try {
    const found = JSON.parse(localStorage.getItem(cameKey) || "{}");
    if (found.known === list.dataset.at) at = found.ms;
  } catch { /* as if it came now; its time stands above in any case */ }
  const age = document.getElementById("age");
  function aged() {
    const gone = Date.now() - at;
    if (gone >= DAY_MS) {
      forget();
      list.remove();
      age.textContent = "This list was older than a day, and is gone. Use the printed list.";
      return;
    }
    const minutes = Math.max(0, Math.floor(gone / 60000));
    age.textContent = minutes < 1 ? "less than a minute ago" : minutes < 60 ? `${minutes} min ago`
      : `${Math.floor(minutes / 60)} h ${minutes % 60} min ago`;
  }
  const ageing = setInterval(aged, 10 * 1000);
  aged();
  keeping();
  const keeps = setInterval(keeping, EVERY_MS);
})();
