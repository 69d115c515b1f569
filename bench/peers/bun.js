// Bun's built-in WebSocket server, as a peer of `bench`: each connection is subscribed to one topic. On /control a
// message is the number of facts to publish, and `=TOTAL` is the answer once they are published.
const TOPIC = "facts";
const PAYLOAD_BYTES = 128;

let told = 0;
const server = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  fetch(request, server) {
    const control = new URL(request.url).pathname === "/control";
    if (server.upgrade(request, { data: control })) return;
    return new Response("WebSocket only", { status: 400 });
  },
  websocket: {
    idleTimeout: 0,
    open(socket) {
      if (socket.data) return;
      socket.subscribe(TOPIC);
      // The number of facts so far.
      socket.send(`+${told}`);
    },
    message(socket, message) {
      const facts = Number(message);
      for (let n = 0; n < facts; n++) {
        told += 1;
        server.publish(TOPIC, String(told).padStart(12, "0").padEnd(PAYLOAD_BYTES, "."));
      }
      socket.send(`=${told}`);
    },
  },
});
console.log(`127.0.0.1:${server.port} Bun ${Bun.version}`);
