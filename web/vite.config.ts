import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import type { Plugin } from "vite";
import { defineConfig } from "vitest/config";

/** What the page may do: run its own files and WebAssembly, play local sound. No inline script, no other host. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self' 'wasm-unsafe-eval'",
  "worker-src 'self'",
  "connect-src 'self'",
  "style-src 'self'",
  "img-src 'self' blob:",
  "media-src blob:",
  "manifest-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
].join("; ");

/** Headers with which the page may use several threads; its service worker sets them where a server does not. */
const HEADERS = {
  "Content-Security-Policy": POLICY,
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Embedder-Policy": "require-corp",
  "Cross-Origin-Resource-Policy": "same-origin",
};

/** Tells the service worker which files there are, and the page its policy. */
function offline(): Plugin {
  return {
    name: "earmark-offline",
    enforce: "post",
    transformIndexHtml: (html) => html.replace("EARMARK_POLICY", POLICY),
    generateBundle(_options, bundle) {
      const hash = createHash("sha256");
      for (const file of Object.values(bundle)) hash.update(file.type === "chunk" ? file.code : file.source);
      const files = Object.keys(bundle).filter((name) => name !== "sw.js" && name !== "index.html");
      const worker = bundle["sw.js"];
      if (worker?.type !== "chunk" || !bundle["index.html"]) throw new Error("no service worker, or no page");
      files.push("icon.svg", "manifest.webmanifest", "licences.txt");
      worker.code = worker.code
        .replaceAll("EARMARK_FILES", JSON.stringify(files.sort()))
        .replaceAll("EARMARK_VERSION", JSON.stringify(hash.digest("hex").slice(0, 12)))
        .replaceAll("EARMARK_HEADERS", JSON.stringify(HEADERS));
      this.emitFile({ type: "asset", fileName: "licences.txt", source: readFileSync("generated/licences.txt") });
      this.emitFile({ type: "asset", fileName: "headers.json", source: `${JSON.stringify(HEADERS, null, 2)}\n` });
    },
  };
}

export default defineConfig({
  base: "./",
  build: {
    outDir: "../src/earmark/service/page",
    emptyOutDir: true,
    target: "es2022",
    assetsInlineLimit: 0,
    modulePreload: false,
    rolldownOptions: {
      input: { page: "index.html", sw: "src/sw.ts", recorder: "src/recorder-worklet.ts" },
      output: { entryFileNames: (chunk) => (chunk.name === "page" ? "assets/[name]-[hash].js" : "[name].js") },
    },
  },
  worker: { format: "es" },
  // ONNX Runtime without a second, unpacked copy of its WebAssembly.
  resolve: { conditions: ["onnxruntime-web-use-extern-wasm", "module", "browser", "production"] },
  plugins: [offline()],
  test: { include: ["tests/**/*.test.ts"], testTimeout: 60_000 },
});
