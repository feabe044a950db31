#include "bench.h"
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

size_t mqtt_connect(uint8_t *to, unsigned number)
{
    // MQTT 3.1.1 section 3.1: header, "MQTT", level 4, clean session, keep alive, client id.
    static const uint8_t head[] = {0x10, 0, 0, 4, 'M', 'Q', 'T', 'T', 4, 2, 3600 >> 8, 3600 & 255, 0, 0};
    memcpy(to, head, sizeof head);
    int id = sprintf((char *)to + sizeof head, "bench-%08x", number);
    to[1] = (uint8_t)(sizeof head - 2 + (size_t)id);
    to[13] = (uint8_t)id;
    return sizeof head + (size_t)id;
}

uint8_t *mqtt_publish(size_t total)
{
    static const char topic[] = "bench/load";
    size_t digits = 1;
    while (total - 1 - digits >= (size_t)1 << (7 * digits))
        digits++;
    size_t rest = total - 1 - digits, i = 0;
    if (total < 2 + digits + sizeof topic + 1)
        die("a PUBLISH of %zu bytes is too small for its topic", total);
    uint8_t *packet = malloc(total);
    packet[i++] = 0x30;
    for (size_t d = 0; d < digits; d++)
        packet[i++] = (uint8_t)((rest >> (7 * d) & 127) | (d + 1 < digits ? 128 : 0));
    packet[i++] = 0;
    packet[i++] = sizeof topic - 1;
    memcpy(packet + i, topic, sizeof topic - 1);
    for (i += sizeof topic - 1; i < total; i++)
        packet[i] = (uint8_t)('a' + i % 26);
    return packet;
}

size_t ws_header(uint8_t *to, uint64_t payload, const uint8_t *mask)
{
    // RFC 6455 section 5.2: FIN and opcode 2, mask bit and length.
    size_t n = 2;
    to[0] = 0x82;
    to[1] = mask ? 0x80 : 0;
    if (payload < 126)
        to[1] |= (uint8_t)payload;
    else {
        int bytes = payload < 65536 ? 2 : 8;
        to[1] |= bytes == 2 ? 126 : 127;
        for (int b = bytes - 1; b >= 0; b--)
            to[n++] = (uint8_t)(payload >> (8 * b));
    }
    if (mask) {
        memcpy(to + n, mask, 4);
        n += 4;
    }
    return n;
}

int ws_accept_key(const char *request, size_t length, char *accept)
{
    static const char name[] = "\r\nsec-websocket-key:", guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"; // RFC 6455 section 1.3
    char text[128];
    uint8_t sha[SHA_DIGEST_LENGTH];
    for (const char *at = request; at + sizeof name + 26 < request + length; at++)
        if (strncasecmp(at, name, sizeof name - 1) == 0) {
            at += sizeof name - 1;
            at += *at == ' ';
            int n = snprintf(text, sizeof text, "%.24s%s", at, guid);
            SHA1((uint8_t *)text, (size_t)n, sha);
            EVP_EncodeBlock((uint8_t *)accept, sha, sizeof sha);
            return 0;
        }
    return -1;
}

static void parse_header(struct ws_reader *r)
{
    r->opcode = r->head[0] & 15;
    r->masked = r->head[1] & 128;
    r->left = r->head[1] & 127;
    size_t n = 2, bytes = r->left == 126 ? 2 : r->left == 127 ? 8 : 0;
    if (bytes)
        for (r->left = 0; bytes; bytes--)
            r->left = r->left << 8 | r->head[n++];
    memcpy(r->mask, r->head + n, 4);
    r->at = 0;
}

bool ws_next(struct ws_reader *r, uint8_t **data, size_t *length, uint8_t **payload, size_t *count, bool *closed)
{
    while (*length) {
        if (r->left == 0) {
            r->head[r->head_got++] = *(*data)++;
            (*length)--;
            if (r->head_got == 2) {
                int n = r->head[1] & 127;
                r->head_need = (uint8_t)(2 + (n == 126 ? 2 : n == 127 ? 8 : 0) + (r->head[1] & 128 ? 4 : 0));
            }
            if (r->head_got < 2 || r->head_got < r->head_need)
                continue;
            r->head_got = 0;
            parse_header(r);
            *closed |= r->opcode == 8;
            continue;
        }
        *count = r->left < *length ? (size_t)r->left : *length;
        *payload = *data;
        if (r->masked)
            for (size_t i = 0; i < *count; i++)
                (*data)[i] ^= r->mask[(r->at + i) & 3];
        r->at += *count;
        r->left -= *count;
        *data += *count;
        *length -= *count;
        if (r->opcode < 8)
            return true;
    }
    return false;
}
