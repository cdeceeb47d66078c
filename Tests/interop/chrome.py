"""chrome.py PORT CA VERSION: two requests as Chrome sends them, with BoringSSL (curl-cffi); prints the server's facts."""

import sys

from curl_cffi import Curl, CurlOpt, CurlSslVersion

port, ca, version = sys.argv[1:]
one, most = (CurlSslVersion.TLSv1_2, 6 << 16) if version == "1.2" else (CurlSslVersion.TLSv1_3, 7 << 16)
curl = Curl()
for _ in range(2):
    answer = bytearray()
    curl.impersonate("chrome")
    curl.setopt(CurlOpt.URL, f"https://localhost:{port}/".encode())
    curl.setopt(CurlOpt.CAINFO, ca.encode())
    curl.setopt(CurlOpt.SSLVERSION, one | most)
    curl.setopt(CurlOpt.FORBID_REUSE, 1)
    curl.setopt(CurlOpt.WRITEFUNCTION, answer.extend)
    curl.perform()
    print(answer.decode(), end="")
