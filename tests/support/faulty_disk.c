// A library for LD_PRELOAD that makes system calls fail in a program that does not know of it, as a bad disk, a full
// one or a signal would. Which ones, the environment says:
//   FAULTY_CALL       open, read, write, close, fsync, fdatasync, syncfs, flock, ftruncate, rename, unlink, mkdir,
//   rmdir FAULTY_PATH       a pattern (fnmatch; * also stands for /) of the file's path; all when not set FAULTY_FIRST
//   the first such call that is hit, from 1 FAULTY_OUTCOMES   what happens to it and to those after it, with commas
//   between:
//                       EIO, ENOSPC, EINTR, ...   it fails and does nothing; a close does close
//                       short                     a read or a write of half of the bytes, which really happens
//                       ok                        nothing
//                       kill                      the process is killed before it
//   FAULTY_FOR_GOOD   when set, the last outcome is that of all later calls, too
//   FAULTY_LOG        a file that gets a line for each call that was hit: outcome, call, path
// Calls are counted in each process by itself. Those that libc makes inside (stdio) are not seen.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

enum { FINE = 0, SHORT = -1 };  // or an errno

static long matching_calls;

static const struct {
  const char *name;
  int error;
} errors[] = {{"EIO", EIO},       {"ENOSPC", ENOSPC}, {"EINTR", EINTR},   {"EDQUOT", EDQUOT},
              {"EACCES", EACCES}, {"EROFS", EROFS},   {"EMFILE", EMFILE}, {"EFBIG", EFBIG},
              {"ENOMEM", ENOMEM}, {"EAGAIN", EAGAIN}, {"ENOLCK", ENOLCK}, {"ESTALE", ESTALE}};

static void wrong(const char *what) {
  dprintf(2, "faulty_disk: FAULTY_OUTCOMES: %s is unknown\n", what);
  _exit(99);
}

static void log_hit(const char *outcome, const char *call, const char *path) {
  const char *name = getenv("FAULTY_LOG");
  if (name == NULL) return;
  char line[5000];
  const int size = snprintf(line, sizeof line, "%s %s %s\n", outcome, call, path);
  const int file = (int)syscall(SYS_openat, AT_FDCWD, name, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
  if (file < 0 || size < 0 || syscall(SYS_write, file, line, (size_t)size) != size) {
    dprintf(2, "faulty_disk: cannot write %s\n", name);
    _exit(99);
  }
  syscall(SYS_close, file);
}

// The outcome of this call.
static int outcome_of(const char *call, const char *path) {
  const char *wanted = getenv("FAULTY_CALL"), *pattern = getenv("FAULTY_PATH"), *list = getenv("FAULTY_OUTCOMES");
  if (wanted == NULL || list == NULL || strcmp(call, wanted) != 0) return FINE;
  if (pattern != NULL && fnmatch(pattern, path, 0) != 0) return FINE;
  const char *first = getenv("FAULTY_FIRST");
  long index = __atomic_add_fetch(&matching_calls, 1, __ATOMIC_SEQ_CST) - (first == NULL ? 1 : atol(first));
  if (index < 0) return FINE;
  char copy[256];
  snprintf(copy, sizeof copy, "%s", list);
  char *rest = copy, *outcome = NULL, *next;
  while ((next = strsep(&rest, ",")) != NULL) {
    outcome = next;
    if (index-- == 0) break;
  }
  if (next == NULL && getenv("FAULTY_FOR_GOOD") == NULL) return FINE;
  if (strcmp(outcome, "ok") == 0) return FINE;
  log_hit(outcome, call, path);
  if (strcmp(outcome, "short") == 0) return SHORT;
  if (strcmp(outcome, "kill") == 0) {
    kill(getpid(), SIGKILL);
    for (;;) pause();
  }
  for (size_t i = 0; i < sizeof errors / sizeof *errors; ++i)
    if (strcmp(outcome, errors[i].name) == 0) return errors[i].error;
  wrong(outcome);
  return FINE;
}

// Of a call on a descriptor: by the path that the file has now.
static int outcome_of_open(const char *call, int file) {
  char link[64], path[4097];
  snprintf(link, sizeof link, "/proc/self/fd/%d", file);
  const ssize_t size = syscall(SYS_readlinkat, AT_FDCWD, link, path, sizeof path - 1);
  path[size < 0 ? 0 : size] = '\0';
  const int before = errno, outcome = outcome_of(call, path);
  errno = before;
  return outcome;
}

// Of a call on a path, which is made absolute but not otherwise changed.
static int outcome_of_path(const char *call, int directory, const char *path) {
  char whole[8200], link[64] = "/proc/self/cwd";
  if (path[0] == '/') return outcome_of(call, path);
  if (directory != AT_FDCWD) snprintf(link, sizeof link, "/proc/self/fd/%d", directory);
  const ssize_t size = syscall(SYS_readlinkat, AT_FDCWD, link, whole, 4096);
  snprintf(whole + (size < 0 ? 0 : size), 4100, "/%s", path);
  return outcome_of(call, whole);
}

static int fails(int outcome) {
  if (outcome <= 0) return 0;
  errno = outcome;
  return 1;
}

static size_t half(size_t count) { return count > 1 ? count / 2 : count; }

// ---- open
// ------------------------------------------------------------------------------------------------------------

static int open_at(int directory, const char *path, int flags, mode_t mode) {
  if (fails(outcome_of_path("open", directory, path))) return -1;
  return (int)syscall(SYS_openat, directory, path, flags, mode);
}

static mode_t mode_of(int flags, va_list arguments) {
  return (flags & O_CREAT) != 0 || (flags & O_TMPFILE) == O_TMPFILE ? va_arg(arguments, mode_t) : 0;
}

#define OPEN(name)                                 \
  int name(const char *path, int flags, ...) {     \
    va_list arguments;                             \
    va_start(arguments, flags);                    \
    const mode_t mode = mode_of(flags, arguments); \
    va_end(arguments);                             \
    return open_at(AT_FDCWD, path, flags, mode);   \
  }
#define OPENAT(name)                                          \
  int name(int directory, const char *path, int flags, ...) { \
    va_list arguments;                                        \
    va_start(arguments, flags);                               \
    const mode_t mode = mode_of(flags, arguments);            \
    va_end(arguments);                                        \
    return open_at(directory, path, flags, mode);             \
  }
OPEN(open)
OPEN(open64)
OPENAT(openat)
OPENAT(openat64)
int creat(const char *path, mode_t mode) { return open_at(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode); }
int creat64(const char *path, mode_t mode) { return creat(path, mode); }

// ---- On descriptors
// --------------------------------------------------------------------------------------------------

ssize_t write(int file, const void *bytes, size_t count) {
  const int outcome = outcome_of_open("write", file);
  if (fails(outcome)) return -1;
  return syscall(SYS_write, file, bytes, outcome == SHORT ? half(count) : count);
}

ssize_t pwrite(int file, const void *bytes, size_t count, off_t offset) {
  const int outcome = outcome_of_open("write", file);
  if (fails(outcome)) return -1;
  return syscall(SYS_pwrite64, file, bytes, outcome == SHORT ? half(count) : count, offset);
}
ssize_t pwrite64(int file, const void *bytes, size_t count, off64_t offset) {
  return pwrite(file, bytes, count, offset);
}

ssize_t writev(int file, const struct iovec *pieces, int count) {
  const int outcome = outcome_of_open("write", file);
  if (fails(outcome)) return -1;
  if (outcome == SHORT && count > 0) return syscall(SYS_write, file, pieces->iov_base, half(pieces->iov_len));
  return syscall(SYS_writev, file, pieces, count);
}

ssize_t read(int file, void *bytes, size_t count) {
  const int outcome = outcome_of_open("read", file);
  if (fails(outcome)) return -1;
  return syscall(SYS_read, file, bytes, outcome == SHORT ? half(count) : count);
}

ssize_t pread(int file, void *bytes, size_t count, off_t offset) {
  const int outcome = outcome_of_open("read", file);
  if (fails(outcome)) return -1;
  return syscall(SYS_pread64, file, bytes, outcome == SHORT ? half(count) : count, offset);
}
ssize_t pread64(int file, void *bytes, size_t count, off64_t offset) { return pread(file, bytes, count, offset); }

#define ON_DESCRIPTOR(name)                             \
  int name(int file) {                                  \
    if (fails(outcome_of_open(#name, file))) return -1; \
    return (int)syscall(SYS_##name, file);              \
  }
ON_DESCRIPTOR(fsync)
ON_DESCRIPTOR(fdatasync)
ON_DESCRIPTOR(syncfs)

int close(int file) {
  const int outcome = outcome_of_open("close", file);
  const int closed = (int)syscall(SYS_close, file);
  return fails(outcome) ? -1 : closed;
}

int flock(int file, int operation) {
  if (fails(outcome_of_open("flock", file))) return -1;
  return (int)syscall(SYS_flock, file, operation);
}

int ftruncate(int file, off_t size) {
  if (fails(outcome_of_open("ftruncate", file))) return -1;
  return (int)syscall(SYS_ftruncate, file, size);
}
int ftruncate64(int file, off64_t size) { return ftruncate(file, size); }

// ---- On names. A rename is told by where it leads
// ---------------------------------------------------------------------

int renameat2(int from_directory, const char *from, int to_directory, const char *to, unsigned flags) {
  if (fails(outcome_of_path("rename", to_directory, to))) return -1;
  return (int)syscall(SYS_renameat2, from_directory, from, to_directory, to, flags);
}
int renameat(int from_directory, const char *from, int to_directory, const char *to) {
  return renameat2(from_directory, from, to_directory, to, 0);
}
int rename(const char *from, const char *to) { return renameat2(AT_FDCWD, from, AT_FDCWD, to, 0); }

int unlinkat(int directory, const char *path, int flags) {
  if (fails(outcome_of_path((flags & AT_REMOVEDIR) != 0 ? "rmdir" : "unlink", directory, path))) return -1;
  return (int)syscall(SYS_unlinkat, directory, path, flags);
}
int unlink(const char *path) { return unlinkat(AT_FDCWD, path, 0); }
int rmdir(const char *path) { return unlinkat(AT_FDCWD, path, AT_REMOVEDIR); }

int mkdirat(int directory, const char *path, mode_t mode) {
  if (fails(outcome_of_path("mkdir", directory, path))) return -1;
  return (int)syscall(SYS_mkdirat, directory, path, mode);
}
int mkdir(const char *path, mode_t mode) { return mkdirat(AT_FDCWD, path, mode); }
