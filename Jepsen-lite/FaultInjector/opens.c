// Calls that open, copy and close descriptors.
#include "faults.h"

#ifdef __linux__

#include <stdarg.h>
#include <stdio.h>

/// A new name, recorded ahead.
static int make_file(int directory, const char *path, int flags, mode_t mode,
                     const struct place *place) {
  if (!may_make_files(place->path)) {
    errno = ENOSPC;
    return -1;
  }
  uint64_t sequence = journal_name(FAULT_RECORD_CREATE, place, NULL, "");
  int descriptor = REAL(openat)(directory, path, flags, mode);
  int after = errno;
  struct stat status;
  if (descriptor < 0) {
    journal_cancel_name(sequence);
  } else {
    count(FAULT_NAME_CHANGES);
    if (fstat(descriptor, &status) == 0) journal_forget(status.st_dev, status.st_ino);
  }
  errno = after;
  return descriptor;
}

/// Opens without emptying the file, and empties it when what stands there is recorded.
static int empty_file(int directory, const char *path, int flags, mode_t mode) {
  int descriptor = REAL(openat)(directory, path, flags & ~O_TRUNC, mode);
  if (descriptor < 0) return descriptor;
  struct file *file = note_opened(descriptor, flags);
  struct stat status;
  if (file == NULL) {
    REAL(ftruncate)(descriptor, 0);
    return descriptor;
  }
  pthread_mutex_lock(&file->lock);
  if (fstat(descriptor, &status) == 0 && status.st_size > 0)
    journal_resize(file, descriptor, 0, (uint64_t)status.st_size);
  REAL(ftruncate)(descriptor, 0);
  pthread_mutex_unlock(&file->lock);
  return descriptor;
}

static int open_below_root(int directory, const char *path, int flags, mode_t mode,
                           const struct place *place) {
  struct stat status;
  int descriptor;
  pthread_mutex_lock(&names_lock);
  bool is_there = fstatat(directory, path, &status, 0) == 0;
  bool may_write = (flags & O_ACCMODE) != O_RDONLY;
  if (!is_there && flags & O_CREAT)
    descriptor = make_file(directory, path, flags, mode, place);
  else if (is_there && flags & O_TRUNC && may_write && S_ISREG(status.st_mode)
           && (flags & (O_CREAT | O_EXCL)) != (O_CREAT | O_EXCL))
    descriptor = empty_file(directory, path, flags, mode);
  else
    descriptor = REAL(openat)(directory, path, flags, mode);
  int after = errno;
  pthread_mutex_unlock(&names_lock);
  errno = after;
  return descriptor;
}

static int open_anyhow(int directory, const char *path, int flags, mode_t mode) {
  if (!faults_active()) return REAL(openat)(directory, path, flags, mode);
  faults_depth++;
  struct place place;
  bool changes_something = flags & (O_CREAT | O_TRUNC) && (flags & O_TMPFILE) != O_TMPFILE;
  int descriptor = changes_something && find_place(directory, path, &place)
                       ? open_below_root(directory, path, flags, mode, &place)
                       : REAL(openat)(directory, path, flags, mode);
  int after = errno;
  if (descriptor >= 0) note_opened(descriptor, flags);
  errno = after;
  faults_depth--;
  return descriptor;
}

/// The third argument, which is there only where a file may be made.
#define MODE_OF(flags)                                          \
  ({                                                            \
    mode_t given = 0;                                           \
    if (((flags) & O_CREAT) || ((flags) & O_TMPFILE) == O_TMPFILE) { \
      va_list rest;                                             \
      va_start(rest, flags);                                    \
      given = va_arg(rest, mode_t);                             \
      va_end(rest);                                             \
    }                                                           \
    given;                                                      \
  })

int open(const char *path, int flags, ...) {
  return open_anyhow(AT_FDCWD, path, flags, MODE_OF(flags));
}
int open64(const char *, int, ...) __attribute__((alias("open")));

int openat(int directory, const char *path, int flags, ...) {
  return open_anyhow(directory, path, flags, MODE_OF(flags));
}
int openat64(int, const char *, int, ...) __attribute__((alias("openat")));

int creat(const char *path, mode_t mode) {
  return open_anyhow(AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC, mode);
}
int creat64(const char *, mode_t) __attribute__((alias("creat")));

// What programs compiled with _FORTIFY_SOURCE call.

int __open_2(const char *path, int flags) { return open_anyhow(AT_FDCWD, path, flags, 0); }
int __open64_2(const char *, int) __attribute__((alias("__open_2")));
int __openat_2(int directory, const char *path, int flags) {
  return open_anyhow(directory, path, flags, 0);
}
int __openat64_2(int, const char *, int) __attribute__((alias("__openat_2")));

// Streams write inside libc, where nothing stands between.

static FILE *note_stream(FILE *stream, const char *mode) {
  if (stream == NULL || !faults_active() || strpbrk(mode, "wa+") == NULL) return stream;
  faults_depth++;
  int before = errno;
  int descriptor = fileno(stream);
  if (note_opened(descriptor, 0) != NULL) {
    count(FAULT_UNTRACKED_WRITES);
    note_closed(descriptor);
  }
  errno = before;
  faults_depth--;
  return stream;
}

FILE *fopen(const char *path, const char *mode) {
  return note_stream(REAL(fopen)(path, mode), mode);
}
FILE *fopen64(const char *, const char *) __attribute__((alias("fopen")));

// Copies of descriptors.

int close(int descriptor) {
  // Before the number may be another thread's.
  note_closed(descriptor);
  return REAL(close)(descriptor);
}

int dup(int descriptor) {
  int copy = REAL(dup)(descriptor);
  if (copy >= 0) note_copied(descriptor, copy);
  return copy;
}

int dup2(int descriptor, int wanted) {
  int copy = REAL(dup2)(descriptor, wanted);
  if (copy >= 0 && copy != descriptor) note_copied(descriptor, copy);
  return copy;
}

int dup3(int descriptor, int wanted, int flags) {
  int copy = REAL(dup3)(descriptor, wanted, flags);
  if (copy >= 0) note_copied(descriptor, copy);
  return copy;
}

int fcntl(int descriptor, int command, ...) {
  va_list rest;
  va_start(rest, command);
  void *argument = va_arg(rest, void *);
  va_end(rest);
  int answer = REAL(fcntl)(descriptor, command, argument);
  if (answer >= 0 && (command == F_DUPFD || command == F_DUPFD_CLOEXEC))
    note_copied(descriptor, answer);
  return answer;
}
int fcntl64(int, int, ...) __attribute__((alias("fcntl")));

#endif
