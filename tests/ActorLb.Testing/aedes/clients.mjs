// MQTT.js clients at the command of the tests. One JSON command a line on standard input, one JSON answer or event a line
// on standard output. Every command carries "call", a number that its answer repeats:
//   {"call":1,"do":"connect","name":"a","url":"mqtt://127.0.0.1:1883","options":{...},"files":{"ca":PATH,"cert":PATH,"key":PATH}}
//   {"call":2,"do":"subscribe","name":"a","topic":"t/#","qos":2}
//   {"call":3,"do":"publish","name":"a","topic":"t/1","payload":BASE64,"qos":2,"retain":true}
//   {"call":4,"do":"end","name":"a","force":false}
// Answers: {"call":1,"ok":true,...} or {"call":1,"ok":false,"error":...,"code":...}
// Events:  {"event":"message","name":"a","topic":...,"payload":BASE64,"qos":...,"retain":...}
//          {"event":"closed","name":"a"}  {"event":"disconnect","name":"a","code":...}
import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import mqtt from 'mqtt'

const clients = new Map()
const say = fields => process.stdout.write(JSON.stringify(fields) + '\n')

function connect ({ call, name, url, options, files }) {
  const settings = { reconnectPeriod: 0, connectTimeout: 20000, ...options }
  for (const [key, path] of Object.entries(files ?? {})) settings[key] = readFileSync(path)
  // MQTT.js signs a client on again with the version it was made with; an explicit name keeps 3.1 apart from 3.1.1.
  if (settings.protocolVersion === 3) settings.protocolId = 'MQIsdp'
  const client = mqtt.connect(url, settings)
  clients.set(name, client)
  let answered = false
  const answer = fields => {
    if (answered) return
    answered = true
    say({ call, ...fields })
  }
  client.on('connect', packet => answer({
    ok: true,
    sessionPresent: packet.sessionPresent,
    code: packet.reasonCode ?? packet.returnCode,
    properties: packet.properties ?? {}
  }))
  client.on('message', (topic, payload, packet) => say({
    event: 'message', name, topic, payload: payload.toString('base64'), qos: packet.qos, retain: packet.retain
  }))
  client.on('disconnect', packet => say({ event: 'disconnect', name, code: packet.reasonCode ?? 0 }))
  client.on('error', error => {
    answer({ ok: false, error: error.message || String(error), code: error.code })
    client.end(true)
  })
  client.on('close', () => {
    answer({ ok: false, error: 'closed before CONNACK' })
    say({ event: 'closed', name })
  })
}

const verbs = {
  connect,
  async subscribe ({ call, name, topic, qos }) {
    const granted = await clients.get(name).subscribeAsync(topic, { qos })
    say({ call, ok: true, code: granted[0].qos })
  },
  async publish ({ call, name, topic, payload, qos, retain }) {
    await clients.get(name).publishAsync(topic, Buffer.from(payload, 'base64'), { qos, retain })
    say({ call, ok: true })
  },
  async end ({ call, name, force }) {
    await clients.get(name).endAsync(force)
    say({ call, ok: true })
  }
}

const input = createInterface({ input: process.stdin })
input.on('line', async line => {
  const command = JSON.parse(line)
  try {
    await verbs[command.do](command)
  } catch (error) {
    say({ call: command.call, ok: false, error: error.message || String(error), code: error.code })
  }
})
input.on('close', () => process.exit(0))
say({ event: 'ready' })
