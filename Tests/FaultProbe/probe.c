// A program that does to files and clocks what it is told, line by line, and says what came of it:
// `ok`, with what was found out, or `error` and its number. Tests preload the faults into it.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { WORDS = 8, SLOTS = 16, LARGEST = 1 << 22 };

static int slots[SLOTS];
static char *words[WORDS];
static char *block;

static long number(int index) { return words[index] != NULL ? strtol(words[index], NULL, 10) : 0; }
static int slot(int index) { return slots[number(index) % SLOTS]; }

static void answer(long result) {
  if (result < 0)
    printf("error %d\n", errno);
  else
    printf("ok %ld\n", result);
  fflush(stdout);
}

static long long reading(clockid_t clock) {
  struct timespec now;
  clock_gettime(clock, &now);
  return now.tv_sec * 1000000000ll + now.tv_nsec;
}

/// As many of a letter as asked for.
static size_t fill(const char *letter, long count) {
  size_t length = count < 0 || count > LARGEST ? LARGEST : (size_t)count;
  memset(block, letter != NULL ? letter[0] : 0, length);
  return length;
}

static int flags_of(const char *text) {
  int flags = strchr(text, 'r') != NULL ? O_RDONLY : strchr(text, 'w') != NULL ? O_WRONLY : O_RDWR;
  if (strchr(text, 'c') != NULL) flags |= O_CREAT;
  if (strchr(text, 't') != NULL) flags |= O_TRUNC;
  if (strchr(text, 'a') != NULL) flags |= O_APPEND;
  if (strchr(text, 'd') != NULL) flags |= O_DSYNC;
  return flags | O_CLOEXEC;
}

static long sync_directory(const char *path) {
  int descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  long result = descriptor < 0 ? -1 : fsync(descriptor);
  int after = errno;
  if (descriptor >= 0) close(descriptor);
  errno = after;
  return result;
}

/// The bytes of a stretch, as text.
static void show(int descriptor, long offset, long count) {
  long got = pread(descriptor, block, fill(NULL, count), offset);
  if (got < 0) {
    answer(got);
    return;
  }
  printf("ok %.*s\n", (int)got, block);
  fflush(stdout);
}

static void show_clocks(void) {
  struct timeval day;
  gettimeofday(&day, NULL);
  printf("ok %lld %lld %lld %lld %lld\n", reading(CLOCK_REALTIME), reading(CLOCK_MONOTONIC),
         reading(CLOCK_BOOTTIME), day.tv_sec * 1000000000ll + day.tv_usec * 1000ll,
         time(NULL) * 1000000000ll);
  fflush(stdout);
}

/// Whether a clock that is read all the time ever goes back, in that many milliseconds.
static long times_back(long milliseconds) {
  long long begun = reading(CLOCK_MONOTONIC), last = begun;
  long back = 0;
  for (long turn = 0; turn < 20000000; turn++) {
    long long now = reading(CLOCK_MONOTONIC);
    if (now < last) back++;
    last = now;
    if (now - begun > milliseconds * 1000000) break;
  }
  return back;
}

static long wait_on_condition(long milliseconds) {
  pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
  pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
  struct timespec until;
  clock_gettime(CLOCK_REALTIME, &until);
  until.tv_sec += milliseconds / 1000;
  until.tv_nsec += milliseconds % 1000 * 1000000;
  if (until.tv_nsec >= 1000000000) {
    until.tv_nsec -= 1000000000;
    until.tv_sec++;
  }
  pthread_mutex_lock(&lock);
  while (pthread_cond_timedwait(&condition, &lock, &until) == 0) continue;
  pthread_mutex_unlock(&lock);
  return 0;
}

// Several threads: each writes its letter to its own places of one file and syncs it now and then.

struct writer {
  int descriptor, index, all;
  long count;
};

static void *write_many(void *given) {
  const struct writer *writer = given;
  char bytes[64];
  memset(bytes, 'A' + writer->index, sizeof bytes);
  for (long turn = 0; turn < writer->count; turn++) {
    off_t offset = (turn * writer->all + writer->index) * (off_t)sizeof bytes;
    if (pwrite(writer->descriptor, bytes, sizeof bytes, offset) < 0) return given;
    if (turn % 7 == writer->index % 7 && fdatasync(writer->descriptor) != 0) return given;
  }
  return NULL;
}

static long write_from_threads(int descriptor, int all, long count) {
  pthread_t threads[SLOTS];
  struct writer writers[SLOTS];
  long failed = 0;
  for (int index = 0; index < all; index++) {
    writers[index] = (struct writer){descriptor, index, all, count};
    pthread_create(&threads[index], NULL, write_many, &writers[index]);
  }
  for (int index = 0; index < all; index++) {
    void *result;
    pthread_join(threads[index], &result);
    failed += result != NULL;
  }
  return failed;
}

/// Nanoseconds, by the clock and of processor time, for each write of a record, each write with a
/// sync, and each reading of a clock.
static void measure(int descriptor, long count) {
  size_t length = fill("m", 136);
  long long time[4], work[4];
  time[0] = reading(CLOCK_MONOTONIC);
  work[0] = reading(CLOCK_PROCESS_CPUTIME_ID);
  for (int step = 1; step < 4; step++) {
    for (long turn = 0; turn < count * (step == 3 ? 100 : 1); turn++) {
      if (step == 3)
        reading(CLOCK_MONOTONIC);
      else if (pwrite(descriptor, block, length, turn % 4096 * 136) < 0
               || (step == 2 && fdatasync(descriptor) != 0))
        break;
    }
    time[step] = reading(CLOCK_MONOTONIC);
    work[step] = reading(CLOCK_PROCESS_CPUTIME_ID);
  }
  printf("ok");
  for (int step = 1; step < 4; step++)
    printf(" %lld %lld", (time[step] - time[step - 1]) / count / (step == 3 ? 100 : 1),
           (work[step] - work[step - 1]) / count / (step == 3 ? 100 : 1));
  printf("\n");
  fflush(stdout);
}

/// A child process that writes to the same file: it is not followed.
static long write_in_child(int descriptor, const char *letter, long count) {
  pid_t child = fork();
  if (child == 0) _exit(write(descriptor, block, fill(letter, count)) < 0);
  int status = 0;
  return child > 0 && waitpid(child, &status, 0) == child ? status : -1;
}

static long map_and_write(int descriptor) {
  char *map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
  if (map == MAP_FAILED) return -1;
  map[0] = '!';
  return munmap(map, 4096);
}

static long write_parts(int descriptor, const char *letter, long count) {
  size_t length = fill(letter, count);
  struct iovec parts[2] = {{block, length / 2}, {block + length / 2, length - length / 2}};
  return writev(descriptor, parts, 2);
}

static int is(const char *word) { return strcmp(words[0], word) == 0; }

static long obey_about_files(void) {
  if (is("open")) {
    int opened = open(words[2], flags_of(words[3]), 0644);
    slots[number(1) % SLOTS] = opened;
    return opened < 0 ? -1 : 0;
  }
  if (is("write")) return write(slot(1), block, fill(words[2], number(3)));
  if (is("writev")) return write_parts(slot(1), words[2], number(3));
  if (is("pwrite")) return pwrite(slot(1), block, fill(words[3], number(4)), number(2));
  if (is("truncate")) return ftruncate(slot(1), number(2));
  if (is("truncate-path")) return truncate(words[1], number(2));
  if (is("allocate")) return fallocate(slot(1), 0, number(2), number(3));
  if (is("posix-allocate")) return -(errno = posix_fallocate(slot(1), number(2), number(3)));
  if (is("sync")) return fsync(slot(1));
  if (is("datasync")) return fdatasync(slot(1));
  if (is("sync-directory")) return sync_directory(words[1]);
  if (is("close")) return close(slot(1));
  if (is("copy")) return slots[number(2) % SLOTS] = dup(slot(1));
  if (is("rename")) return rename(words[1], words[2]);
  if (is("unlink")) return unlink(words[1]);
  if (is("link")) return link(words[1], words[2]);
  if (is("mkdir")) return mkdir(words[1], 0755);
  if (is("rmdir")) return rmdir(words[1]);
  if (is("map")) return map_and_write(slot(1));
  if (is("child")) return write_in_child(slot(1), words[2], number(3));
  if (is("threads")) return write_from_threads(slot(1), (int)number(2), number(3));
  errno = ENOSYS;
  return -1;
}

static void obey(void) {
  if (is("read"))
    show(slot(1), number(2), number(3));
  else if (is("clocks"))
    show_clocks();
  else if (is("measure"))
    measure(slot(1), number(2));
  else if (is("times-back"))
    answer(times_back(number(1)));
  else if (is("sleep"))
    answer(usleep((useconds_t)number(1) * 1000));
  else if (is("wait-on-condition"))
    answer(wait_on_condition(number(1)));
  else
    answer(obey_about_files());
}

int main(void) {
  char line[8192];
  block = malloc(LARGEST);
  if (block == NULL) return 1;
  while (fgets(line, sizeof line, stdin) != NULL) {
    memset(words, 0, sizeof words);
    char *rest = NULL;
    int count = 0;
    for (char *word = strtok_r(line, " \n", &rest); word != NULL && count < WORDS;
         word = strtok_r(NULL, " \n", &rest))
      words[count++] = word;
    if (count > 0) obey();
  }
  free(block);
  return 0;
}
