// client.go PORT CA VERSION: two connections with one session cache; prints the server's facts of each (Go's crypto/tls).
package main

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
)

func main() {
	pem, _ := os.ReadFile(os.Args[2])
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	version := uint16(tls.VersionTLS13)
	if os.Args[3] == "1.2" {
		version = tls.VersionTLS12
	}
	config := &tls.Config{RootCAs: roots, ServerName: "localhost", MinVersion: version, MaxVersion: version,
		ClientSessionCache: tls.NewLRUClientSessionCache(4)}
	for round := 0; round < 2; round++ {
		connection, err := tls.Dial("tcp", "127.0.0.1:"+os.Args[1], config)
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Fprint(connection, "who\n")
		line, _ := bufio.NewReader(connection).ReadString('\n')
		fmt.Print(line)
		connection.Close()
	}
}
