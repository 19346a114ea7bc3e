/* Lets libvirt remember owners and labels inside a user namespace, and stop a domain quickly.
 *
 * libvirt keeps its records in trusted.libvirt.*, which only root of the host can set. Preloaded,
 * this library puts them into security.trusted.libvirt.* instead, or into user.trusted.libvirt.*
 * where a file system has no such names. Nobody but root writes either of them in a fixture.
 *
 * Stopping a domain, libvirt sleeps for a fixed 200 ms between two looks at the emulator. Naps of
 * that length are cut short.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/xattr.h>
#include <time.h>

#define RECORDS "trusted.libvirt."
#define NAME_MAX_XATTR 256

static const char *const places[] = { "security.", "user." };

static int is_record(const char *name)
{
    return name && strncmp(name, RECORDS, strlen(RECORDS)) == 0;
}

/* The record's name in one of the places; too long a name is passed on as it is. */
static const char *placed(char *buffer, const char *place, const char *name)
{
    int length = snprintf(buffer, NAME_MAX_XATTR, "%s%s", place, name);
    return length > 0 && length < NAME_MAX_XATTR ? buffer : name;
}

/* Whether the next place may do what this one didn't. */
static int goes_on(ssize_t result)
{
    return result < 0 && (errno == EPERM || errno == ENOTSUP || errno == ENODATA);
}

/* Calls the next definition of an xattr function for each place until one has an answer. An answer
 * that says more than "not here" is kept. */
#define IN_EACH_PLACE(type, function, ...)                                                          \
    do {                                                                                            \
        __typeof__(&function) next = (__typeof__(&function)) dlsym(RTLD_NEXT, #function);           \
        char buffer[NAME_MAX_XATTR];                                                                \
        const char *at = name;                                                                      \
        type result;                                                                                \
        if (!next) {                                                                                \
            errno = ENOSYS;                                                                         \
            return -1;                                                                              \
        }                                                                                           \
        if (!is_record(name))                                                                       \
            return next(__VA_ARGS__);                                                               \
        at = placed(buffer, places[0], name);                                                       \
        result = next(__VA_ARGS__);                                                                 \
        if (!goes_on(result))                                                                       \
            return result;                                                                          \
        at = placed(buffer, places[1], name);                                                       \
        return next(__VA_ARGS__);                                                                   \
    } while (0)

int setxattr(const char *path, const char *name, const void *value, size_t size, int flags)
{
    IN_EACH_PLACE(int, setxattr, path, at, value, size, flags);
}

int fsetxattr(int fd, const char *name, const void *value, size_t size, int flags)
{
    IN_EACH_PLACE(int, fsetxattr, fd, at, value, size, flags);
}

ssize_t getxattr(const char *path, const char *name, void *value, size_t size)
{
    IN_EACH_PLACE(ssize_t, getxattr, path, at, value, size);
}

ssize_t fgetxattr(int fd, const char *name, void *value, size_t size)
{
    IN_EACH_PLACE(ssize_t, fgetxattr, fd, at, value, size);
}

int removexattr(const char *path, const char *name)
{
    IN_EACH_PLACE(int, removexattr, path, at);
}

int fremovexattr(int fd, const char *name)
{
    IN_EACH_PLACE(int, fremovexattr, fd, at);
}

/* How long a nap may last. */
static const struct timespec shortest = { 0, 10 * 1000 * 1000 };

static const struct timespec *cut(const struct timespec *nap)
{
    int is_the_nap = nap && nap->tv_sec == 0 && nap->tv_nsec == 200 * 1000 * 1000;
    return is_the_nap ? &shortest : nap;
}

int nanosleep(const struct timespec *nap, struct timespec *left)
{
    __typeof__(&nanosleep) next = (__typeof__(&nanosleep)) dlsym(RTLD_NEXT, "nanosleep");
    return next(cut(nap), left);
}

int clock_nanosleep(clockid_t clock, int flags, const struct timespec *nap, struct timespec *left)
{
    __typeof__(&clock_nanosleep) next = (__typeof__(&clock_nanosleep)) dlsym(RTLD_NEXT, "clock_nanosleep");
    return next(clock, flags, flags & TIMER_ABSTIME ? nap : cut(nap), left);
}
