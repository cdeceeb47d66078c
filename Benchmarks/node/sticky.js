// A sticky cluster as it is usually written for Node: the master accepts, hashes the address and passes the socket to a
// worker, which terminates TLS. Arguments: PORT CERTIFICATE KEY (- - for none) WORKERS.
"use strict";
const cluster = require("node:cluster");
const fs = require("node:fs");
const http = require("node:http");
const https = require("node:https");
const net = require("node:net");

const [port, certificate, key, workers] = process.argv.slice(2);

if (cluster.isPrimary) {
    const all = [];
    for (let i = 0; i < Number(workers); i++) all.push(cluster.fork());
    let ready = 0;
    for (const worker of all) {
        worker.on("message", () => {
            if (++ready < all.length) return;
            net.createServer({ pauseOnConnect: true }, (socket) => {
                let hash = 0;
                for (const character of socket.remoteAddress ?? "") hash = (hash * 31 + character.charCodeAt(0)) >>> 0;
                all[hash % all.length].send("socket", socket);
            }).listen({ port: Number(port), host: "127.0.0.1", backlog: 4096 });
        });
    }
} else {
    const bulk = Buffer.alloc(1 << 20);
    const answer = (request, response) => {
        const body = request.url === "/hello" ? "Hello, world!\n" : bulk;
        response.writeHead(200, { "Content-Type": "text/plain", "Content-Length": body.length });
        response.end(body);
    };
    const server = certificate === "-"
        ? http.createServer(answer)
        : https.createServer({ cert: fs.readFileSync(certificate), key: fs.readFileSync(key) }, answer);
    server.keepAliveTimeout = 600000;
    server.maxRequestsPerSocket = 0;
    process.on("message", (what, socket) => {
        if (what !== "socket" || !socket) return;
        server.emit("connection", socket);
        socket.resume();
    });
    process.send("ready");
}
