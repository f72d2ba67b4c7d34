// `npm run lock`: writes package-lock.json anew, without the addresses it was fetched from (npm's own option for
// that leaves out the packages of other systems, and `npm ci` then refuses the file).

import { execFileSync } from "node:child_process";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

process.chdir(fileURLToPath(new URL("..", import.meta.url)));
rmSync("package-lock.json", { force: true });
rmSync("node_modules", { force: true, recursive: true });
execFileSync("npm", ["install", "--package-lock-only"], { stdio: "inherit" });
const lock = JSON.parse(readFileSync("package-lock.json", "utf8"));
for (const entry of Object.values(lock.packages)) delete entry.resolved;
writeFileSync("package-lock.json", `${JSON.stringify(lock, null, 2)}\n`);
