// Asks the server at localhost, on the port in the argument, for TLS as node-postgres
// does, with the roots that Node.js has, and prints "connected", or why not.
import net from "node:net";
import tls from "node:tls";

const socket = net.connect({ host: "localhost", port: Number(process.argv[2]) });
socket.on("error", (e) => console.log(e.message));
socket.write(Buffer.from([0, 0, 0, 8, 4, 210, 22, 47])); // SSLRequest
socket.once("data", (answer) => {
  if (answer.toString() !== "S") throw new Error(`SSLRequest was answered ${answer}`);
  const secure = tls.connect({ socket, servername: "localhost" });
  secure.on("error", (e) => console.log(e.message));
  secure.once("secureConnect", () => {
    console.log("connected");
    secure.destroy();
  });
});
