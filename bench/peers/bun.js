// Bun's own WebSocket server, as a peer of `bench`: whoever connects listens to one topic; on /control a number is how
// many facts to tell, and `=TOTAL` the answer when they are told.
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
      // Where it is: facts so far.
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
