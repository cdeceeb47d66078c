// client.js PORT CA VERSION: two connections, the second with the session of the first; prints the server's facts of each (Node).
const fs = require("fs");
const tls = require("tls");

const [port, ca, version] = process.argv.slice(2);
const options = { port, host: "127.0.0.1", servername: "localhost", ca: fs.readFileSync(ca), minVersion: `TLSv${version}`, maxVersion: `TLSv${version}` };

function connect(session, then) {
    let next;
    const socket = tls.connect({ ...options, session }, () => socket.write("who\nclose\n"));
    socket.on("session", (made) => { next = made; });
    socket.on("data", (data) => process.stdout.write(data));
    socket.on("end", () => then(next));
}
connect(undefined, (session) => connect(session, () => {}));
