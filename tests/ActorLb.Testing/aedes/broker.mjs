// A broker that reads PROXY headers, over TCP and over WebSocket. It prints one JSON object a line:
//   {"event":"listening","mqtt":PORT,"ws":PORT}
//   {"event":"client","id":...,"address":...,"port":...,"proxy":0|1|2,"websocket":...,"header":HEX,"headers":{...}}
//   {"event":"gone","id":...}  {"event":"publish","id":...,"topic":...,"payload":...}  {"event":"refused","reason":...}
// Arguments: "proxy" expects a PROXY header on every connection; without it headers are not looked for.
import http from 'node:http'
import net from 'node:net'
import createBroker from 'aedes'
import decoder from 'aedes-protocol-decoder'
import { WebSocketServer, createWebSocketStream } from 'ws'

const SIGNATURE_V2 = Buffer.from('0d0a0d0a000d0a515549540a', 'hex')
const LONGEST_V1 = 107
const expectProxy = process.argv.includes('proxy')
const say = (event, fields) => process.stdout.write(JSON.stringify({ event, ...fields }) + '\n')

// The protocol's own limit on client ids; aedes keeps to 23 bytes of MQTT 3.1 unless told.
const broker = createBroker({ maxClientsIdLength: 65535 })

// Length of the header at the start, 0 while it is not known yet, -1 when there is none.
function headerLength (bytes) {
  const v2 = Math.min(bytes.length, SIGNATURE_V2.length)
  if (bytes.subarray(0, v2).equals(SIGNATURE_V2.subarray(0, v2))) {
    if (bytes.length < 16) return 0
    const length = 16 + bytes.readUInt16BE(14)
    return bytes.length < length ? 0 : length
  }
  const start = 'PROXY '
  if (!start.startsWith(bytes.toString('latin1', 0, start.length))) return -1
  const end = bytes.indexOf('\r\n')
  if (end >= 0) return end + 2
  return bytes.length < LONGEST_V1 ? 0 : -1
}

// The decoder throws at a header without addresses, as a balancer's own health checks have it (PROXY protocol, section 2.1).
function decode (socket, header, bytes) {
  if (!header.toString('latin1').startsWith('PROXY UNKNOWN')) return decoder.protocolDecoder(socket, bytes)
  return { ipAddress: socket.remoteAddress, port: socket.remotePort, isProxy: 1 }
}

// Takes the PROXY header off the stream, however it is split, then hands the socket on with the rest unread.
function accept (socket, next) {
  socket.on('error', () => socket.destroy())
  if (!expectProxy) return next(socket, decoder.protocolDecoder(socket, Buffer.alloc(0)))
  let bytes = Buffer.alloc(0)
  const read = () => {
    for (let chunk; (chunk = socket.read()) !== null;) bytes = Buffer.concat([bytes, chunk])
    const length = bytes.length === 0 ? 0 : headerLength(bytes)
    if (length === 0) return
    socket.off('readable', read)
    if (length < 0) {
      say('refused', { reason: 'no PROXY header', bytes: bytes.toString('hex', 0, 64) })
      return socket.destroy()
    }
    const header = bytes.subarray(0, length)
    const details = decode(socket, header, bytes)
    details.header = header.toString('hex')
    if (length < bytes.length) socket.unshift(bytes.subarray(length))
    next(socket, details)
  }
  socket.on('readable', read)
}

function describe (details, websocket, headers) {
  return {
    address: details.ipAddress,
    port: details.port,
    serverAddress: details.serverIpAddress,
    serverPort: details.serverPort,
    proxy: details.isProxy,
    header: details.header ?? '',
    websocket,
    headers
  }
}

const tcp = net.createServer({ noDelay: true }, socket => accept(socket, (connection, details) =>
  broker.handle(connection, { connDetails: describe(details, false, {}) })))

const upgrades = http.createServer((request, response) => response.writeHead(404).end())
const sockets = new WebSocketServer({ server: upgrades, handleProtocols: offered => offered.has('mqtt') ? 'mqtt' : false })
sockets.on('connection', (socket, request) => {
  const stream = createWebSocketStream(socket)
  stream.on('error', () => stream.destroy())
  broker.handle(stream, { connDetails: describe(request.socket.details, true, request.headers) })
})
const front = net.createServer({ noDelay: true }, socket => accept(socket, (connection, details) => {
  connection.details = details
  upgrades.emit('connection', connection)
}))

broker.on('clientReady', client => say('client', { id: client.id, version: client.version, ...client.connDetails }))
broker.on('clientDisconnect', client => say('gone', { id: client.id }))
broker.on('publish', (packet, client) => {
  if (client) say('publish', { id: client.id, topic: packet.topic, payload: packet.payload.toString() })
})
broker.on('connectionError', (client, error) => say('refused', { reason: error.message }))

tcp.listen(0, '127.0.0.1', () => front.listen(0, '127.0.0.1', () =>
  say('listening', { mqtt: tcp.address().port, ws: front.address().port })))
