// Answers for @xen-orchestra/qcow2. It is given the files, and leaves backing files to its caller.

import { open, readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const require = createRequire(process.env.QCONFORM_MODULES);
const { QCowAccessor } = await import(pathToFileURL(require.resolve("@xen-orchestra/qcow2")));
const manifest = new URL("../package.json", pathToFileURL(require.resolve("@xen-orchestra/qcow2")));
const { version } = JSON.parse(await readFile(manifest, "utf8"));

// What it reads with, as the file systems of Xen Orchestra do it: bytes behind the end are zeros.
const accessor = {
  openFile: (path) => open(path),
  read: (file, buffer, position) => file.read(buffer, 0, buffer.length, position),
  closeFile: (file) => file.close(),
};

class Unsupported extends Error {}

// Calls `use` with the image, and closes it.
async function withImage({ image }, use) {
  if (image.format !== "qcow2") {
    throw new Unsupported("formats other than a declared qcow2");
  }
  const disk = new QCowAccessor(accessor, Buffer.from(image.path, "hex"));
  try {
    await disk.init();
    return await use(disk);
  } finally {
    await disk.close();
  }
}

function header(request) {
  return withImage(request, (disk) => ({
    header: {
      format: "qcow2",
      version: disk.header.version,
      virtual_size: disk.getVirtualSize(),
      // It tells that there is a backing file, not which, and nothing of data files.
      backing: disk.isDifferencing() ? {} : null,
    },
  }));
}

function read(request) {
  return withImage(request, async (disk) => {
    if (disk.isDifferencing()) {
      throw new Unsupported("backing files, which its caller reads");
    }
    const reads = [];
    for (const offset of request.offsets) {
      const bytes = await guestBytes(disk, offset, request.length);
      reads.push({ offset, bytes: bytes.toString("hex") });
    }
    return { reads };
  });
}

// Guest bytes within one block.
async function guestBytes(disk, offset, length) {
  const size = disk.getBlockSize();
  const index = Math.floor(offset / size);
  if (!disk.hasBlock(index)) {
    return Buffer.alloc(length);
  }
  const { data } = await disk.readBlock(index);
  return data.subarray(offset % size, (offset % size) + length);
}

const LEVELS = { header, read };

async function answer(request) {
  const level = LEVELS[request.level];
  if (level === undefined) {
    return { type: "unsupported", message: `level ${request.level}` };
  }
  try {
    return { type: "result", ...(await level(request)) };
  } catch (error) {
    return refusal(error);
  }
}

// It has no class of errors of its own: its assertions and plain errors are its refusals, as is
// what the system says. Errors of the language's are ones that it didn't foresee.
function refusal(error) {
  if (error instanceof Unsupported) {
    return { type: "unsupported", message: error.message };
  }
  const foreseen = error.constructor === Error || error.name === "AssertionError";
  const message = `${error.name}: ${error.message}`;
  return foreseen ? { type: "rejected", class: error.name, message } : { type: "crashed", message };
}

for await (const line of createInterface({ input: process.stdin })) {
  const request = JSON.parse(line);
  if (request.type === "bye") {
    break;
  }
  const reply =
    request.type === "hello"
      ? { type: "hello", protocol: 1, name: "xen-orchestra-qcow2", version, levels: Object.keys(LEVELS) }
      : { seq: request.seq, ...(await answer(request)) };
  process.stdout.write(`${JSON.stringify(reply)}\n`);
}
// While standard input is open, Node doesn't end by itself.
process.stdin.destroy();
