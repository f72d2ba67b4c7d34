/**
 * The service worker: keeps every file of the page, so that it works offline, and answers with nothing else.
 * It also adds the headers that let the page use several threads, where the server cannot (static hosting).
 */

interface LifeEvent extends Event {
  waitUntil(done: Promise<unknown>): void;
}
interface FetchEvent extends LifeEvent {
  request: Request;
  respondWith(response: Promise<Response>): void;
}
interface ServiceWorker extends EventTarget {
  registration: { scope: string };
  skipWaiting(): Promise<void>;
  clients: { claim(): Promise<void> };
}

// Filled in when the page is built (vite.config.ts).
declare const EARMARK_FILES: string[];
declare const EARMARK_VERSION: string;
declare const EARMARK_HEADERS: Record<string, string>;

const worker = self as unknown as ServiceWorker;
const PREFIX = "earmark-page-";
const name = PREFIX + EARMARK_VERSION;
const home = worker.registration.scope;
const known = new Set(EARMARK_FILES.map((file) => new URL(file, home).href));
/** The networks for tempo and key: the page works without them. */
const optional = [...known].filter((url) => /\/(tempo|key)-[^/]*\.bin$/.test(url));

worker.addEventListener("install", (event) => {
  const fill = async (): Promise<void> => {
    const cache = await caches.open(name);
    await cache.addAll([
      new Request(home, { cache: "no-cache" }),
      ...[...known].filter((url) => !optional.includes(url)),
    ]);
    await Promise.allSettled(optional.map((url) => cache.add(url)));
    await worker.skipWaiting();
  };
  (event as LifeEvent).waitUntil(fill());
});

worker.addEventListener("activate", (event) => {
  const tidy = async (): Promise<void> => {
    const old = (await caches.keys()).filter((key) => key.startsWith(PREFIX) && key !== name);
    await Promise.all(old.map((key) => caches.delete(key)));
    await worker.clients.claim();
  };
  (event as LifeEvent).waitUntil(tidy());
});

worker.addEventListener("fetch", (event) => {
  const { request, respondWith } = event as FetchEvent;
  const url = new URL(request.url);
  url.search = "";
  url.hash = "";
  const isHome = url.href === home || url.href === `${home}index.html`;
  if (request.method !== "GET" || !(isHome || known.has(url.href))) return; // not ours: other pages of the server
  respondWith.call(event, fromCache(isHome ? home : url.href));
});

async function fromCache(url: string): Promise<Response> {
  const kept = (await (await caches.open(name)).match(url)) ?? (await fetch(url));
  const headers = new Headers(kept.headers);
  for (const [key, value] of Object.entries(EARMARK_HEADERS)) headers.set(key, value);
  return new Response(kept.body, { status: kept.status, statusText: kept.statusText, headers });
}

export {};
