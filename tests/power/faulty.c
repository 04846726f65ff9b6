/* A disk with faults, between a program and its C library (LD_PRELOAD). For tests only; made by faulty.py.
 *
 * What strace cannot do: a write that takes only the first half of its bytes and says so, as a disk does that fills up
 * in the middle of a write; and faults that last for as long as a file exists.
 *
 *   FAULTY_IN     only files whose path begins so
 *   FAULTY_CALL   pwrite64, write, fdatasync, fsync, ftruncate, rename, unlink; or `any`
 *   FAULTY_AT     the Nth such call of the process, from 1; 0: each
 *   FAULTY_HOW    a number: fails with this errno. `short`: half is written, and the number of bytes returned.
 *                 `short-N`: the same, and the next write to that file fails with errno N. `short-kill`: half is
 *                 written, then SIGKILL
 *   FAULTY_WHILE  faults happen only while this file exists
 *   FAULTY_LOG    a file to which each such call adds a line, so that they can be counted
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static int calls;
static int full_fd = -1;

static int ours(int fd, const char *path)
{
    char link[64], found[4096];
    const char *in = getenv("FAULTY_IN");
    if (in == NULL)
        return 0;
    if (path == NULL) {
        snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
        ssize_t n = readlink(link, found, sizeof found - 1);
        if (n < 0)
            return 0;
        found[n] = 0;
        path = found;
    }
    return strncmp(path, in, strlen(in)) == 0;
}

/* NULL: no fault in this call. Else how. */
static const char *fault(const char *call, int fd, const char *path)
{
    const char *wanted = getenv("FAULTY_CALL"), *at = getenv("FAULTY_AT"), *log = getenv("FAULTY_LOG");
    const char *during = getenv("FAULTY_WHILE");
    int saved = errno, n;
    if (wanted == NULL || at == NULL || (strcmp(wanted, call) != 0 && strcmp(wanted, "any") != 0) || !ours(fd, path))
        return NULL;
    n = __sync_add_and_fetch(&calls, 1);
    if (log != NULL) {
        int out = syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_CREAT | O_APPEND, 0600);
        if (out >= 0) {
            syscall(SYS_write, out, "x\n", 2);
            syscall(SYS_close, out);
        }
    }
    if (during != NULL && syscall(SYS_faccessat, AT_FDCWD, during, F_OK) != 0) {
        errno = saved;
        return NULL;
    }
    errno = saved;
    return atoi(at) == 0 || atoi(at) == n ? getenv("FAULTY_HOW") : NULL;
}

static ssize_t put(const char *call, int number, int fd, const void *data, size_t size, off_t offset)
{
    const char *how = fault(call, fd, NULL);
    ssize_t done;
    if (full_fd == fd) {
        full_fd = -1;
        errno = atoi(getenv("FAULTY_HOW") + strlen("short-"));
        return -1;
    }
    if (how == NULL || (strncmp(how, "short", 5) == 0 && size < 2))
        return syscall(number, fd, data, size, offset);
    if (strncmp(how, "short", 5) != 0) {
        errno = atoi(how);
        return -1;
    }
    done = syscall(number, fd, data, size / 2, offset);
    if (strcmp(how, "short-kill") == 0)
        kill(getpid(), SIGKILL);
    if (strncmp(how, "short-", 6) == 0)
        full_fd = fd;
    return done;
}

ssize_t pwrite64(int fd, const void *data, size_t size, off_t offset)
{
    return put("pwrite64", SYS_pwrite64, fd, data, size, offset);
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t offset)
{
    return put("pwrite64", SYS_pwrite64, fd, data, size, offset);
}

ssize_t write(int fd, const void *data, size_t size)
{
    return put("write", SYS_write, fd, data, size, 0);
}

static int refuse(const char *how)
{
    errno = atoi(how) ? atoi(how) : EIO;
    return -1;
}

int fdatasync(int fd)
{
    const char *how = fault("fdatasync", fd, NULL);
    return how ? refuse(how) : syscall(SYS_fdatasync, fd);
}

int fsync(int fd)
{
    const char *how = fault("fsync", fd, NULL);
    return how ? refuse(how) : syscall(SYS_fsync, fd);
}

int ftruncate64(int fd, off_t size)
{
    const char *how = fault("ftruncate", fd, NULL);
    return how ? refuse(how) : syscall(SYS_ftruncate, fd, size);
}

int ftruncate(int fd, off_t size)
{
    return ftruncate64(fd, size);
}

int rename(const char *from, const char *to)
{
    const char *how = fault("rename", -1, to);
    return how ? refuse(how) : syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
}

int unlink(const char *path)
{
    const char *how = fault("unlink", -1, path);
    return how ? refuse(how) : syscall(SYS_unlinkat, AT_FDCWD, path, 0);
}
