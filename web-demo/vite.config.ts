import { defineConfig } from "vite";

export default defineConfig({
  // The page works from any folder of any server.
  base: "./",
  // One hls.js: the page's. The `runnel` package is linked and has its own for its types.
  resolve: { dedupe: ["hls.js"] },
  // Worker and module stay files of their own, however small.
  build: { target: "es2022", chunkSizeWarningLimit: 900, assetsInlineLimit: 0 },
});
