/* SPDX-License-Identifier: MIT */
/*
 * Restart in place as a Promela model, checked exhaustively by spin (tests/model/run; docs/recovery.md, "The model").
 * It follows the code function by function; the names are the code's.
 *
 * One front, one ring, one disk. A request gets a free `id`; the id names its page, its grant, its command in the device and the
 * disk block it reads or writes, so requests in flight never overlap (the front's contract with any disk).
 * Processes: driver (the domain's vCPU, incarnation after incarnation), bhd with the hypervisor's restart, front, an
 * engine of the device for each id, fate (faults and noise), thief and peer (who mean no good).
 *
 * Rules of these files:
 *  - one statement, d_step or atomic is one step: at most one access to memory that others see change, or one hypercall, and private
 *    work; a fault can come between any two steps of the driver;
 *  - an assert states what can be seen from outside (data, answers, indices, registry), its comment says the property;
 *    that nothing hangs is spin's check for invalid end states: only the places named end_... may be waited at for ever;
 *  - a rule that can be broken asks broken(RULE); with BREAK=NOTHING the model is that of the code.
 * spin's command line gives BREAK, SLOTS, REQS, DEATHS, LIMIT (deaths until the quarantine, 0: never), KINDS (1: crash, hang and
 * live-lock besides kill), NOISE (spurious events), LOST (interrupts of the device), PERSISTENT (grants), PEER (somebody maps a
 * page of the domain), WRONG (requests that are refused).
 */
#include "rules.pml"

/* a slot of the ring */
#define EMPTY 0
#define TORN 1 /* half written */
#define REQUEST(id) (2 + (id))
#define RESPONSE(id) (2 + SLOTS + (id))
#define is_request(s) ((s) >= 2 && (s) < 2 + SLOTS)
#define is_response(s) ((s) >= 2 + SLOTS)

#define OLD_DATA 0      /* what all blocks hold at first */
#define OTHER_DATA 255  /* what the front keeps in a page that is in no request */

mtype = { Unknown, InitWait, Connected, Closing };      /* the backend's state in the registry */
mtype = { Unbound, Bound, Freed, Open, Stolen };        /* the front's end of the event channel */
mtype = { None, Read, Write, Refused };                 /* a request: Refused is wrong in itself and answered at once */
mtype = { Idle, Queued, Fetched, Ended };               /* a command in the device */
mtype = { Alive, Kill, Crash, Hang, Livelock };         /* the domain */

/* The front's memory: the ring, with the note in its padding; pages and grant table. It survives. */
byte req_prod, req_event = 1, rsp_prod, rsp_event = 1;
byte note_index, note_check, note_id;
byte slot[SLOTS];
byte page[SLOTS] = OTHER_DATA;
bool granted[SLOTS];
byte in_use[SLOTS];

/* What the front knows. */
byte sent, got, rsp_cons;
mtype asked[SLOTS] = None;
byte want[SLOTS];       /* a write: its data; else what the block holds */
byte block[SLOTS];      /* the disk, as acknowledged */

/* registry, event channel */
mtype state = InitWait, port = Unbound;
bool front_pending, driver_pending;

/* The hypervisor's and bhd's. */
bool running = 1, on_cpu, dma_on, fault_recorded, ring_lost, quarantined;
byte mapped;            /* granted pages in the domain's p2m and IOMMU table, a bit an id */
byte incarnation = 1, deaths;
mtype domain = Alive;

/* The driver domain's memory: pristine (zero) in a new incarnation. */
byte rsp_pvt, req_cons, rsp_told;
byte window[SLOTS];     /* by index: id + 1 of the request taken */
bool finished[SLOTS], cached[SLOTS];
byte completed;         /* the device's completion queue, a bit an id: written by DMA */
bool interrupt;
bool offered, lent, lent_stale; /* PEER: a page of ours is there to be mapped; is mapped; its frame is in use for something new */

/* The device, which does not die. */
mtype command[SLOTS] = Idle;
bool command_write[SLOTS], command_old[SLOTS];
byte device_data[SLOTS];
byte disk[SLOTS];
byte lost = LOST, noise = NOISE;

#define send_to_front() front_pending = front_pending || port == Bound
#define send_to_driver() driver_pending = driver_pending || port == Bound

#include "driver.pml"
#include "hypervisor.pml"
#include "outside.pml"

init {
    byte n;
    atomic {
        do
        :: n < SLOTS -> run engine(n); n++
        :: else -> break
        od;
        n = 0
    }
}
