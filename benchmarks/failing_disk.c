/* A disk that fails once: the N-th call that changes something below a folder answers with an error.
 *
 *     cc -shared -fPIC -O2 -o failing_disk.so failing_disk.c -ldl
 *     LD_PRELOAD=failing_disk.so DISK_UNDER=/folder DISK_STATE=/file DISK_LOG=/file DISK_FAILS_AT=7 DISK_ERRNO=28 program
 *
 * DISK_STATE is a file of 16 bytes that all processes share: calls so far, and whether one has failed. DISK_LOG gets the
 * call that failed.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static long *shared;
static const char *under;
static long fails_at;
static int code;

__attribute__((constructor)) static void begin(void) {
  const char *state = getenv("DISK_STATE");
  under = getenv("DISK_UNDER");
  if (!state || !under) return;
  fails_at = atol(getenv("DISK_FAILS_AT"));
  code = atoi(getenv("DISK_ERRNO"));
  int handle = syscall(SYS_openat, AT_FDCWD, state, O_RDWR);
  if (handle < 0) return;
  shared = mmap(NULL, 16, PROT_READ | PROT_WRITE, MAP_SHARED, handle, 0);
  if (shared == MAP_FAILED) shared = NULL;
  close(handle);
}

static int below(const char *path) {
  char whole[PATH_MAX];
  if (!path || !under) return 0;
  if (path[0] != '/') {
    if (!getcwd(whole, sizeof whole)) return 0;
    size_t used = strlen(whole);
    snprintf(whole + used, sizeof whole - used, "/%s", path);
    path = whole;
  }
  return strncmp(path, under, strlen(under)) == 0;
}

static int is_below(int handle) {
  char link[64], path[PATH_MAX];
  snprintf(link, sizeof link, "/proc/self/fd/%d", handle);
  ssize_t size = readlink(link, path, sizeof path - 1);
  if (size <= 0) return 0;
  path[size] = 0;
  return path[0] == '/' && below(path);  /* else a pipe, a socket or an event */
}

static int fails(const char *call, int handle, const char *path) {
  if (!shared) return 0;
  if (__sync_add_and_fetch(&shared[0], 1) != fails_at) return 0;
  shared[1] = 1;
  char link[64], found[PATH_MAX] = "", told[PATH_MAX + 128];
  snprintf(link, sizeof link, "/proc/self/fd/%d", handle);
  if (!path && readlink(link, found, sizeof found - 1) > 0) path = found;
  int size = snprintf(told, sizeof told, "%s %s by process %d\n", call, path ? path : "?", getpid());
  int log = syscall(SYS_openat, AT_FDCWD, getenv("DISK_LOG"), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  if (log >= 0) {
    syscall(SYS_write, log, told, size);
    close(log);
  }
  errno = code;
  return 1;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

ssize_t write(int handle, const void *data, size_t size) {
  if (shared && is_below(handle) && fails(__func__, handle, NULL)) return -1;
  return REAL(write)(handle, data, size);
}
ssize_t pwrite64(int handle, const void *data, size_t size, off64_t at) {
  if (shared && is_below(handle) && fails(__func__, handle, NULL)) return -1;
  return REAL(pwrite64)(handle, data, size, at);
}
int fsync(int handle) {
  if (shared && is_below(handle) && fails(__func__, handle, NULL)) return -1;
  return REAL(fsync)(handle);
}
int fdatasync(int handle) {
  if (shared && is_below(handle) && fails(__func__, handle, NULL)) return -1;
  return REAL(fdatasync)(handle);
}
int ftruncate64(int handle, off64_t size) {
  if (shared && is_below(handle) && fails(__func__, handle, NULL)) return -1;
  return REAL(ftruncate64)(handle, size);
}
int rename(const char *from, const char *to) {
  if (shared && below(to) && fails(__func__, -1, to)) return -1;
  return REAL(rename)(from, to);
}
int renameat(int a, const char *from, int b, const char *to) {
  if (shared && below(to) && fails(__func__, -1, to)) return -1;
  return REAL(renameat)(a, from, b, to);
}
int renameat2(int a, const char *from, int b, const char *to, unsigned int flags) {
  if (shared && below(to) && fails(__func__, -1, to)) return -1;
  return REAL(renameat2)(a, from, b, to, flags);
}
int mkdir(const char *path, mode_t mode) {
  struct stat there;
  if (shared && below(path) && stat(path, &there) != 0 && fails(__func__, -1, path)) return -1;
  return REAL(mkdir)(path, mode);
}

static int making(int flags) { return (flags & (O_CREAT | O_TRUNC)) != 0; }

int open64(const char *path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  mode_t mode = va_arg(rest, mode_t);
  va_end(rest);
  if (shared && making(flags) && below(path) && fails(__func__, -1, path)) return -1;
  return REAL(open64)(path, flags, mode);
}
int open(const char *path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  mode_t mode = va_arg(rest, mode_t);
  va_end(rest);
  if (shared && making(flags) && below(path) && fails(__func__, -1, path)) return -1;
  return REAL(open)(path, flags, mode);
}
