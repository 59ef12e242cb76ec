// Finding the control file, and taking it for this process.
#include "faults.h"

#ifdef __linux__

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

uint64_t *faults_words;
__thread int faults_depth __attribute__((tls_model("initial-exec"), visibility("hidden")));

static uint64_t *mapped;

void *faults_find(const char *name) { return dlsym(RTLD_NEXT, name); }

void *faults_find_version(const char *name, const char *version) {
  void *found = dlvsym(RTLD_NEXT, name, version);
  return found != NULL ? found : dlsym(RTLD_NEXT, name);
}

bool pattern_matches(enum fault_pattern pattern, const char *path) {
  const char *text = (const char *)faults_words + FAULT_PATTERNS_OFFSET
                     + (size_t)pattern * FAULT_PATTERN_SIZE;
  return text[0] == 0 || strstr(path, text) != NULL;
}

uint64_t roughly_random(void) {
  static uint64_t state = 0x9e3779b97f4a7c15ull;
  uint64_t z = __atomic_add_fetch(&state, 0x9e3779b97f4a7c15ull, __ATOMIC_RELAXED)
               ^ real_monotonic();
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
  return z ^ (z >> 31);
}

uint64_t real_clock(clockid_t clock) {
  struct timespec now = {0, 0};
  REAL(clock_gettime)(clock, &now);
  return (uint64_t)now.tv_sec * 1000000000ull + (uint64_t)now.tv_nsec;
}

uint64_t real_monotonic(void) { return real_clock(CLOCK_MONOTONIC); }

/// A forked child is another process with the same memory: it must not touch what it shares.
static void stop_in_child(void) { __atomic_store_n(&faults_words, NULL, __ATOMIC_RELEASE); }

/// Maps the control file and locks it, so that of all processes that inherit the environment one
/// has the journal. The lock belongs to the process and ends with it.
static uint64_t *take_control(const char *path) {
  int descriptor = REAL(open)(path, O_RDWR | O_CLOEXEC);
  if (descriptor < 0) return NULL;
  // Out of the way of programs that count on low numbers.
  int high = REAL(fcntl)(descriptor, F_DUPFD_CLOEXEC, 512);
  if (high >= 0) {
    REAL(close)(descriptor);
    descriptor = high;
  }
  struct stat status;
  struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
  uint64_t *words = NULL;
  if (fstat(descriptor, &status) == 0 && status.st_size >= FAULT_CONTROL_SIZE
      && REAL(fcntl)(descriptor, F_SETLK, &lock) == 0) {
    void *map = REAL(mmap)(NULL, FAULT_CONTROL_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED,
                           descriptor, 0);
    words = map == MAP_FAILED ? NULL : map;
  }
  if (words != NULL && fault_load(words, FAULT_MAGIC) == FAULT_CONTROL_MAGIC
      && fault_load(words, FAULT_VERSION) == FAULT_CONTROL_VERSION)
    return words;
  // The mapping stays, a page for the life of the process.
  REAL(close)(descriptor);
  return NULL;
}

__attribute__((constructor)) static void start(void) {
  const char *path = getenv("JEPSEN_FAULTS_CONTROL");
  const char *root = getenv("JEPSEN_FAULTS_ROOT");
  const char *undo = getenv("JEPSEN_FAULTS_UNDO");
  if (path == NULL || root == NULL || undo == NULL) return;
  int before = errno;
  faults_depth++;
  mapped = take_control(path);
  if (mapped != NULL) {
    files_start(root);
    // The counters of what can't be followed are needed from here on.
    __atomic_store_n(&faults_words, mapped, __ATOMIC_RELEASE);
    if (!journal_start(undo, fault_load(mapped, FAULT_JOURNAL_LIMIT))) {
      fprintf(stderr, "jepsen-faults: can't use %s: no faults in this process\n", undo);
      __atomic_store_n(&faults_words, NULL, __ATOMIC_RELEASE);
    } else {
      pthread_atfork(NULL, NULL, stop_in_child);
      // A stall is over for a process that was killed in it.
      fault_store(mapped, FAULT_STALLED_NOW, 0);
      fault_store(mapped, FAULT_OWNER, (uint64_t)getpid());
      fault_add(mapped, FAULT_LOADS, 1);
    }
  }
  faults_depth--;
  errno = before;
}

#endif
