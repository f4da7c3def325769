// Runs dynalite, given its folder, on a free loopback port, and prints that port. It lives as long as its standard
// input is open: whoever started it holds the other end, so it ends with them, however they end.
const dynalite = require(process.argv[2])

const server = dynalite({ createTableMs: 0, deleteTableMs: 0, updateTableMs: 0 })
server.keepAliveTimeout = 0 // never close a connection that the proxy is about to use
server.requestTimeout = 0
server.listen(0, '127.0.0.1', () => console.log(server.address().port))

process.stdin.on('end', () => process.exit(0))
process.stdin.on('error', () => process.exit(0))
process.stdin.resume()
