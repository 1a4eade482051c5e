/* Faults of a machine or a file system, for benchmarks/cluster_faults.py; see there.
 *
 *   cc -shared -fPIC -O1 -o shims.so shims.c -ldl
 *   LD_PRELOAD=shims.so FAULT_LOCKS=37 ...            every lock fails with this errno
 *   LD_PRELOAD=shims.so FAULT_CLOCK=-240 FAULT_NODE=n1 ...   on this node of Slurm the clock is
 *       so many seconds off, and files written there have the times of that clock, as on file
 *       systems that take them from the client
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static long off(void) {
    const char *clock = getenv("FAULT_CLOCK"), *node = getenv("FAULT_NODE");
    const char *here = getenv("SLURMD_NODENAME");
    /* Slurm's own commands do not work with such clocks at all. */
    int own = !strcmp(program_invocation_short_name, "srun");
    return !own && clock && node && here && !strcmp(node, here) ? atol(clock) : 0;
}

static int refused(void) {
    const char *number = getenv("FAULT_LOCKS");
    if (number) errno = atoi(number);
    return number != NULL;
}

int flock(int file, int operation) { return refused() ? -1 : REAL(flock)(file, operation); }

int lockf(int file, int command, off_t length) {
    return refused() ? -1 : REAL(lockf)(file, command, length);
}

int fcntl(int file, int command, ...) {
    va_list more;
    va_start(more, command);
    void *argument = va_arg(more, void *);
    va_end(more);
    int locks = command == F_SETLK || command == F_SETLKW || command == F_OFD_SETLK ||
                command == F_OFD_SETLKW;
    return locks && refused() ? -1 : REAL(fcntl)(file, command, argument);
}

int fcntl64(int file, int command, ...) {
    va_list more;
    va_start(more, command);
    void *argument = va_arg(more, void *);
    va_end(more);
    return fcntl(file, command, argument);
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    int status = REAL(clock_gettime)(clock, now);
    if (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE) now->tv_sec += off();
    return status;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    int status = REAL(gettimeofday)(now, zone);
    now->tv_sec += off();
    return status;
}

time_t time(time_t *where) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (where) *where = now.tv_sec;
    return now.tv_sec;
}

static void both_now(struct timespec times[2]) {
    clock_gettime(CLOCK_REALTIME, &times[0]);
    times[1] = times[0];
}

int utimensat(int folder, const char *path, const struct timespec times[2], int flags) {
    struct timespec now[2];
    both_now(now);
    return REAL(utimensat)(folder, path, off() && !times ? now : times, flags);
}

int futimens(int file, const struct timespec times[2]) {
    struct timespec now[2];
    both_now(now);
    return REAL(futimens)(file, off() && !times ? now : times);
}

int close(int file) {
    struct stat status;
    int kept = errno;
    if (off() && !fstat(file, &status) && S_ISREG(status.st_mode) &&
        (REAL(fcntl)(file, F_GETFL) & O_ACCMODE) != O_RDONLY)
        futimens(file, NULL);
    errno = kept;
    return REAL(close)(file);
}
