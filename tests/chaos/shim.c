/* A disk that fails on demand, by LD_PRELOAD: under $CHAOS_STORE a share of the calls fails as $CHAOS_SHIM/control says
   (two ints: errno, share in 1/1000), and $CHAOS_SHIM/unsynced says which file has what that no fsync has covered.
   The clock on the wall is $CHAOS_CLOCK seconds off; what measures time goes on as it does. */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static volatile int *control;
static const char *store;
static size_t length;
static int note = -1;
static char dirty[4096];
static long clock_off;

#define REAL(type, name, ...) \
    static type (*real)(__VA_ARGS__); \
    if (!real) real = (type (*)(__VA_ARGS__))dlsym(RTLD_NEXT, name)

__attribute__((constructor)) static void begin(void) {
    char path[4096];
    const char *folder = getenv("CHAOS_SHIM");
    store = getenv("CHAOS_STORE");
    clock_off = getenv("CHAOS_CLOCK") ? atol(getenv("CHAOS_CLOCK")) : 0;
    if (!folder || !store) return;
    length = strlen(store);
    snprintf(path, sizeof path, "%s/control", folder);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return;
    void *at = mmap(NULL, 8, PROT_READ, MAP_SHARED, fd, 0);
    close(fd);
    snprintf(path, sizeof path, "%s/unsynced", folder);
    fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
    note = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 800);
    if (fd >= 0) close(fd);
    if (at != MAP_FAILED) control = at;
}

static int inside(const char *path) {
    return control && path && !strncmp(path, store, length);
}

static int inside_fd(int fd) {
    char link[64], path[4096];
    if (!control || fd < 3) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof path - 1);
    if (n <= 0) return 0;
    path[n] = 0;
    return inside(path);
}

static int chance(void) { /* of a failure now: its errno, or 0 */
    static __thread unsigned state;
    if (!control || !control[0]) return 0;
    if (!state) state = (unsigned)time(NULL) ^ ((unsigned)getpid() << 8) ^ (unsigned)(size_t)&state;
    return rand_r(&state) % 1000 < control[1] ? control[0] : 0;
}

static int failing(const char *path, int writes) {
    int code = control && control[0] && (writes || control[0] != ENOSPC) && inside(path) ? chance() : 0;
    if (code) errno = code;
    return code;
}

static int failing_fd(int fd) {
    int code = control && control[0] ? chance() : 0;
    if (code && !inside_fd(fd)) code = 0;
    if (code) errno = code;
    return code;
}

static void say(char what, int fd) {
    struct stat of;
    char line[128];
    if (note < 0 || fstat(fd, &of) || !S_ISREG(of.st_mode)) return;
    int n = snprintf(line, sizeof line, "%c %d %lu %lld\n", what, getpid(), (unsigned long)of.st_ino, (long long)of.st_size);
    REAL(ssize_t, "write", int, const void *, size_t);
    if (real(note, line, n) < 0) note = -1;
}

static void written(int fd) {
    if (fd < 3 || fd >= (int)sizeof dirty || dirty[fd] || fd == note) return;
    dirty[fd] = 1;
    if (inside_fd(fd)) say('W', fd);
}

#define OPEN(name) \
    int name(const char *path, int flags, ...) { \
        REAL(int, #name, const char *, int, ...); \
        va_list rest; va_start(rest, flags); \
        mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0; \
        va_end(rest); \
        if (failing(path, flags & O_CREAT)) return -1; \
        int fd = real(path, flags, mode); \
        if (fd >= 0 && fd < (int)sizeof dirty) dirty[fd] = 0; \
        return fd; \
    }
OPEN(open)
OPEN(open64)

#define OPENAT(name) \
    int name(int at, const char *path, int flags, ...) { \
        REAL(int, #name, int, const char *, int, ...); \
        va_list rest; va_start(rest, flags); \
        mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0; \
        va_end(rest); \
        if (failing(path, flags & O_CREAT)) return -1; \
        int fd = real(at, path, flags, mode); \
        if (fd >= 0 && fd < (int)sizeof dirty) dirty[fd] = 0; \
        return fd; \
    }
OPENAT(openat)
OPENAT(openat64)

ssize_t write(int fd, const void *data, size_t n) {
    REAL(ssize_t, "write", int, const void *, size_t);
    if (failing_fd(fd)) { /* a full disk takes a part first */
        if (errno != ENOSPC || n < 2) return -1;
        n /= 2;
    }
    written(fd);
    return real(fd, data, n);
}

ssize_t pwrite64(int fd, const void *data, size_t n, off64_t at) {
    REAL(ssize_t, "pwrite64", int, const void *, size_t, off64_t);
    if (failing_fd(fd)) return -1;
    written(fd);
    return real(fd, data, n, at);
}

ssize_t read(int fd, void *data, size_t n) {
    REAL(ssize_t, "read", int, void *, size_t);
    return control && control[0] != ENOSPC && failing_fd(fd) ? -1 : real(fd, data, n);
}

#define SYNC(name) \
    int name(int fd) { \
        REAL(int, #name, int); \
        if (failing_fd(fd)) return -1; \
        int code = real(fd); \
        if (!code && inside_fd(fd)) say('S', fd); \
        if (fd >= 0 && fd < (int)sizeof dirty) dirty[fd] = 0; \
        return code; \
    }
SYNC(fsync)
SYNC(fdatasync)

int rename(const char *from, const char *to) {
    REAL(int, "rename", const char *, const char *);
    return failing(to, 1) ? -1 : real(from, to);
}

int link(const char *from, const char *to) {
    REAL(int, "link", const char *, const char *);
    return failing(to, 1) ? -1 : real(from, to);
}

int mkdir(const char *path, mode_t mode) {
    REAL(int, "mkdir", const char *, mode_t);
    return failing(path, 1) ? -1 : real(path, mode);
}

DIR *opendir(const char *path) {
    REAL(DIR *, "opendir", const char *);
    return failing(path, 0) ? NULL : real(path);
}

int clock_gettime(clockid_t id, struct timespec *at) {
    REAL(int, "clock_gettime", clockid_t, struct timespec *);
    int code = real(id, at);
    if (!code && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE)) at->tv_sec += clock_off;
    return code;
}

time_t time(time_t *at) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (at) *at = now.tv_sec;
    return now.tv_sec;
}

int gettimeofday(struct timeval *at, void *zone) {
    REAL(int, "gettimeofday", struct timeval *, void *);
    int code = real(at, zone);
    if (!code) at->tv_sec += clock_off;
    return code;
}
