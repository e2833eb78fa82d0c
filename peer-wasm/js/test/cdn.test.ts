import assert from "node:assert/strict";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, test } from "node:test";
import { fetchSpan, spanOf } from "../src/worker/cdn.js";

const media = Uint8Array.from({ length: 5000 }, (_, index) => index % 251);
let server: Server;
let base: string;

before(async () => {
  server = createServer((request, response) => {
    const range = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? "");
    if (request.url === "/absent") return void response.writeHead(404).end();
    if (!range || request.url === "/ignores-ranges") return void response.end(media);
    const body = media.subarray(Number(range[1]), Number(range[2]) + 1);
    response.writeHead(206).end(request.url === "/short" ? body.subarray(1) : body);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
after(() => server.close());

async function fetched(path: string, span: { start: number; end: number } | null) {
  const parts: Uint8Array[] = [];
  const signal = new AbortController().signal;
  await fetchSpan(base + path, span, signal, (bytes) => parts.push(bytes.slice()), () => {});
  return Buffer.concat(parts);
}

test("a part of a segment lies within the segment's own range of the resource", () => {
  const place = { url: "", rangeStart: 100, rangeEnd: 900 };
  assert.deepEqual(spanOf(place, 50, 10), { start: 150, end: 160 });
  assert.deepEqual(spanOf(place, 0, 0), { start: 100, end: 900 });
  assert.equal(spanOf({ ...place, rangeStart: 0, rangeEnd: 0 }, 0, 0), null);
});

test("a part comes by Range, and by skipping where the server ignores that", async () => {
  const span = { start: 1000, end: 1700 };
  const expected = Buffer.from(media.subarray(1000, 1700));
  assert.deepEqual(await fetched("/obeys", span), expected);
  assert.deepEqual(await fetched("/ignores-ranges", span), expected);
});

test("all of a resource comes without Range", async () => {
  assert.deepEqual(await fetched("/obeys", null), Buffer.from(media));
});

test("a refusal or a body that is too short is a failure", async () => {
  await assert.rejects(fetched("/absent", null));
  await assert.rejects(fetched("/short", { start: 0, end: 100 }));
});
