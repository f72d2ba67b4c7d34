// Puts what the page carries into generated/: the bundled default model and its card, the networks for tempo and key, and
// ONNX Runtime, packed.
// EARMARK_PAGE_MODEL=path/to/model.onnx takes another model; its card is the .json beside it.

import { createHash } from "node:crypto";
import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

const web = fileURLToPath(new URL("..", import.meta.url));
const out = `${web}generated`;
const runtime = `${web}node_modules/onnxruntime-web/dist/ort-wasm-simd-threaded`;

function bundledDefault() {
  const python = readFileSync(`${web}../src/earmark/tagging/runtime.py`, "utf8");
  const name = /^DEFAULT_MODEL = "([^"]+)"$/m.exec(python)?.[1];
  if (!name) throw new Error("src/earmark/tagging/runtime.py names no DEFAULT_MODEL");
  return `${web}../src/earmark/tagging/bundled/${name}.onnx`;
}

const model = process.env.EARMARK_PAGE_MODEL ?? bundledDefault();
const measures = ["tempo", "key"].map((name) => `${web}../src/earmark/tagging/bundled/tempo_key/${name}.onnx`);
const card = model.replace(/\.onnx$/, ".json");
for (const path of [model, card, ...measures]) {
  if (!existsSync(path)) throw new Error(`${path}: no such file`);
}
rmSync(out, { recursive: true, force: true });
mkdirSync(out);
const pack = (from, to) => writeFileSync(`${out}/${to}`, gzipSync(readFileSync(from), { level: 9 }));
pack(model, "model.bin");
for (const path of measures) pack(path, `${basename(path, ".onnx")}.bin`);
pack(`${runtime}.wasm`, "ort.bin");
copyFileSync(`${runtime}.mjs`, `${out}/ort.mjs`);

// Of the card, what the page uses.
const { name, version, description, licence, limits, citations, input, vocabulary, thresholds, calibration, rules } =
  JSON.parse(readFileSync(card, "utf8"));
const used = {
  name,
  version,
  description,
  licence,
  limits,
  citations,
  input,
  vocabulary,
  thresholds,
  calibration,
  rules,
};
const hash = createHash("sha256").update(JSON.stringify(used));
for (const path of [model, ...measures]) hash.update(readFileSync(path));
const kept = { ...used, fingerprint: hash.digest("hex").slice(0, 16) };
writeFileSync(`${out}/card.json`, JSON.stringify(kept));
const text = (path) => readFileSync(path, "utf8").trim();
const versionOf = (name) => JSON.parse(text(`${web}node_modules/${name}/package.json`)).version;
const parts = [
  "What this page is made with.",
  `earmark\n\n${text(`${web}../LICENSE`)}`,
  `The model "${name}": ${licence ?? "see its card"}`,
  `The networks for tempo and key: ${JSON.parse(text(measures[0].replace(/\.onnx$/, ".json"))).licence}`,
  `ONNX Runtime Web ${versionOf("onnxruntime-web")}, https://github.com/microsoft/onnxruntime\n\n${text(`${web}scripts/onnxruntime-licence.txt`)}`,
  `Mediabunny ${versionOf("mediabunny")}, unchanged; its source: https://github.com/Vanilagy/mediabunny\n\n${text(`${web}node_modules/mediabunny/LICENSE`)}`,
  `idb ${versionOf("idb")}, https://github.com/jakearchibald/idb\n\n${text(`${web}node_modules/idb/LICENSE`)}`,
];
writeFileSync(`${out}/licences.txt`, `${parts.join(`\n\n${"-".repeat(100)}\n\n`)}\n`);
console.log(`the page carries the model ${name} (${vocabulary.length} tags)`);
