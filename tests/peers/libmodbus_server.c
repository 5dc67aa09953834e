/* Units on Modbus, by libmodbus: tests/peers/modbus.py compiles and starts it.
 *
 *   server tcp PORT IMAGE
 *   server rtu DEVICE IMAGE
 *
 * IMAGE: a line "unit function address word" for each register, coil or input that is there. Prints "ready" and its
 * port on TCP when it listens (0: the system picks one), and ends when killed. An address that is not there is
 * answered with exception 2; a unit that is not there with silence on a serial line, where there is but one, and with
 * exception 11 on TCP, as by a gateway.
 */
#include <arpa/inet.h>
#include <modbus.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <unistd.h>

#define UNITS 256
#define ADDRESSES 65536
#define OTHERS_ANSWER_WITHIN 20000 /* microseconds */

typedef struct {
    uint16_t words[5][ADDRESSES]; /* by function */
    uint8_t there[5][ADDRESSES];
} Unit;

static Unit *units[UNITS];

static void load(const char *path) {
    unsigned unit, function, address, word;
    FILE *file = fopen(path, "r");
    if (!file)
        exit(2);
    while (fscanf(file, "%u %u %u %u", &unit, &function, &address, &word) == 4) {
        if (!units[unit])
            units[unit] = calloc(1, sizeof(Unit));
        units[unit]->words[function][address] = word;
        units[unit]->there[function][address] = 1;
    }
    fclose(file);
}

/* Answers one request, whose PDU stands behind the header. */
static void answer(modbus_t *context, const uint8_t *request, int length, int is_tcp) {
    int at = modbus_get_header_length(context);
    int number = request[at - 1], function = request[at];
    int first = request[at + 1] << 8 | request[at + 2], count = request[at + 3] << 8 | request[at + 4];
    modbus_mapping_t *mapping;
    Unit *unit = units[number];
    if (!unit) {
        if (is_tcp)
            modbus_reply_exception(context, request, MODBUS_EXCEPTION_GATEWAY_TARGET);
        return;
    }
    modbus_set_slave(context, number);
    if (function < 1 || function > 4) {
        modbus_reply_exception(context, request, MODBUS_EXCEPTION_ILLEGAL_FUNCTION);
        return;
    }
    for (int address = first; address < first + count; address++)
        if (address >= ADDRESSES || !unit->there[function][address]) {
            modbus_reply_exception(context, request, MODBUS_EXCEPTION_ILLEGAL_DATA_ADDRESS);
            return;
        }
    mapping = modbus_mapping_new_start_address(
        first, function == 1 ? count : 0, first, function == 2 ? count : 0,
        first, function == 3 ? count : 0, first, function == 4 ? count : 0);
    if (!mapping)
        exit(3);
    for (int i = 0; i < count; i++) {
        uint16_t word = unit->words[function][first + i];
        switch (function) {
        case 1: mapping->tab_bits[i] = word != 0; break;
        case 2: mapping->tab_input_bits[i] = word != 0; break;
        case 3: mapping->tab_registers[i] = word; break;
        case 4: mapping->tab_input_registers[i] = word; break;
        }
    }
    modbus_reply(context, request, length, mapping);
    modbus_mapping_free(mapping);
}

/* libmodbus hears one unit only: the first of the image. */
static void serve_rtu(const char *device) {
    uint8_t request[MODBUS_RTU_MAX_ADU_LENGTH];
    modbus_t *context = modbus_new_rtu(device, 115200, 'N', 8, 1);
    int number = 1;
    while (number < 248 && !units[number])
        number++;
    if (!context || modbus_set_slave(context, number) || modbus_connect(context))
        exit(4);
    /* What follows a request for another unit it takes for that unit's answer, for half a second unless told. */
    modbus_set_response_timeout(context, 0, OTHERS_ANSWER_WITHIN);
    puts("ready 0");
    fflush(stdout);
    for (;;) {
        int length = modbus_receive(context, request);
        if (length > 0)
            answer(context, request, length, 0);
    }
}

static void serve_tcp(int port) {
    uint8_t request[MODBUS_TCP_MAX_ADU_LENGTH];
    fd_set known, ready;
    modbus_t *context = modbus_new_tcp("127.0.0.1", port);
    int listening = context ? modbus_tcp_listen(context, 8) : -1, last = listening;
    struct sockaddr_in where;
    socklen_t size = sizeof where;
    if (listening < 0 || getsockname(listening, (struct sockaddr *)&where, &size))
        exit(6);
    printf("ready %d\n", ntohs(where.sin_port));
    fflush(stdout);
    FD_ZERO(&known);
    FD_SET(listening, &known);
    for (;;) {
        ready = known;
        if (select(last + 1, &ready, NULL, NULL, NULL) < 0)
            exit(7);
        for (int one = 0; one <= last; one++) {
            if (!FD_ISSET(one, &ready))
                continue;
            if (one == listening) {
                int client = modbus_tcp_accept(context, &listening);
                if (client >= 0) {
                    FD_SET(client, &known);
                    last = client > last ? client : last;
                }
                continue;
            }
            modbus_set_socket(context, one);
            int length = modbus_receive(context, request);
            if (length > 0)
                answer(context, request, length, 1);
            else if (length < 0) {
                close(one);
                FD_CLR(one, &known);
            }
        }
    }
}

int main(int count, char **words) {
    if (count != 4)
        return 1;
    load(words[3]);
    if (!strcmp(words[1], "tcp"))
        serve_tcp(atoi(words[2]));
    else
        serve_rtu(words[2]);
    return 0;
}
