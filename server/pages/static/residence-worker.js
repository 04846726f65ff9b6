// Keeps the roll-call usable without a network: it answers from what the page has kept, and from nothing else.
// What is kept is younger than a day, is a roll-call or a static file of ours, and goes when somebody signs out.
"use strict";

const CACHE = "muster-roll-call";
const DAY_MS = 24 * 3600 * 1000;
const WAIT_MS = 4000;

self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));
self.addEventListener("fetch", (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (request.method !== "GET" || url.origin !== self.location.origin) return;
  if (request.mode === "navigate") event.respondWith(page(request, url));
  else if (url.pathname.startsWith("/static/")) event.respondWith(file(request));
});

const isRollCall = (path) => /^\/residence\/houses\/\d+\/roll-call$/.test(path);

async function page(request, url) {
  const late = new Promise((_, fail) => { setTimeout(() => fail(new Error("late")), WAIT_MS); });
  try {
    const answer = await Promise.race([fetch(request), late]);
    // A server that is down is no better than no network. Signed out, or not allowed: nothing may stay.
    if (answer.status < 500) {
      if (isRollCall(url.pathname) && !answer.ok) await caches.delete(CACHE);
      return answer;
    }
    return (await kept(url)) || answer;
  } catch {
    return (await kept(url)) || nothing();
  }
}

async function kept(url) {
  const cache = await caches.open(CACHE);
  const lists = [];
  for (const request of await cache.keys()) {
    const path = new URL(request.url).pathname;
    if (!isRollCall(path)) continue;
    const found = await cache.match(request);
    const age = Date.now() - Number(found.headers.get("x-kept-ms"));
    if (age >= 0 && age < DAY_MS) lists.push([path, found]);
    else await cache.delete(request);
  }
  const same = lists.find(([path]) => path === url.pathname);
  if (same) return same[1];
  if (!lists.length) return null;
  const house = lists.find(([path]) => url.pathname.startsWith(path.replace("/roll-call", ""))) || lists[0];
  return Response.redirect(house[0]);
}

async function file(request) {
  try {
    return await fetch(request);
  } catch (error) {
    const found = await (await caches.open(CACHE)).match(request);
    if (found) return found;
    throw error;
  }
}

function nothing() {
  const text = "No network, and no list is kept on this device, or it was older than a day.\n" +
    "Use the printed list, and count the people at the meeting point.";
  return new Response(text, { status: 503, headers: { "content-type": "text/plain; charset=utf-8" } });
}
