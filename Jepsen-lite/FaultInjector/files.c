// The files under the root, and which descriptors are open on them.
#include "faults.h"

#ifdef __linux__

#include <stdio.h>
#include <stdlib.h>

enum { DESCRIPTORS = 65536, BUCKETS = 4096 };
enum { FLAG_APPENDS = 1, FLAG_SYNCS = 2 };

static struct file *descriptors[DESCRIPTORS];
static unsigned char flags_of[DESCRIPTORS];
static struct file *buckets[BUCKETS];
static pthread_mutex_t table_lock = PTHREAD_MUTEX_INITIALIZER;
static char root_path[PATH_MAX];
static size_t root_length;

void files_start(const char *root) {
  char parent[PATH_MAX];
  if (realpath(root, root_path) == NULL) {
    // The program makes it: its parent is there.
    snprintf(parent, sizeof parent, "%s", root);
    size_t length = strlen(parent);
    while (length > 1 && parent[length - 1] == '/') parent[--length] = 0;
    char *slash = strrchr(parent, '/');
    const char *name = slash != NULL ? slash + 1 : parent;
    char resolved[PATH_MAX];
    if (slash != NULL && slash != parent) *slash = 0;
    if (realpath(slash == NULL ? "." : slash == parent ? "/" : parent, resolved) == NULL)
      snprintf(resolved, sizeof resolved, "%s", "/nowhere");
    int wanted = snprintf(root_path, sizeof root_path, "%s/%s", resolved, name);
    if (wanted < 0 || (size_t)wanted >= sizeof root_path) root_path[0] = 0;
  }
  root_length = strlen(root_path);
}

bool is_below_root(const char *path) {
  return root_length > 0 && strncmp(path, root_path, root_length) == 0
         && (path[root_length] == 0 || path[root_length] == '/');
}

static struct file **bucket(uint64_t device, uint64_t inode) {
  uint64_t hash = (inode ^ (device << 32)) * 0x9e3779b97f4a7c15ull;
  return &buckets[hash >> 52];
}

struct file *file_by_inode(uint64_t device, uint64_t inode, bool make) {
  pthread_mutex_lock(&table_lock);
  struct file **head = bucket(device, inode);
  struct file *file = *head;
  while (file != NULL && (file->inode != inode || file->device != device)) file = file->next;
  if (file == NULL && make) {
    file = calloc(1, sizeof *file);
    if (file != NULL) {
      file->device = device;
      file->inode = inode;
      pthread_mutex_init(&file->lock, NULL);
      file->next = *head;
      *head = file;
    }
  }
  pthread_mutex_unlock(&table_lock);
  return file;
}

// Files are never taken out of the table, and new ones come in front: a walk needs no lock.
void for_each_file(void (*body)(struct file *, void *), void *context) {
  for (int index = 0; index < BUCKETS; index++) {
    pthread_mutex_lock(&table_lock);
    struct file *file = buckets[index];
    pthread_mutex_unlock(&table_lock);
    for (; file != NULL; file = file->next) body(file, context);
  }
}

static bool is_number(int descriptor) { return descriptor >= 0 && descriptor < DESCRIPTORS; }

void note_closed(int descriptor) {
  if (is_number(descriptor)) __atomic_store_n(&descriptors[descriptor], NULL, __ATOMIC_RELEASE);
}

void note_copied(int from, int to) {
  if (!is_number(to)) return;
  if (!is_number(from)) {
    note_closed(to);
    return;
  }
  flags_of[to] = flags_of[from];
  struct file *file = __atomic_load_n(&descriptors[from], __ATOMIC_ACQUIRE);
  __atomic_store_n(&descriptors[to], file, __ATOMIC_RELEASE);
}

bool appends(int descriptor) { return flags_of[descriptor] & FLAG_APPENDS; }
bool syncs_each_write(int descriptor) { return flags_of[descriptor] & FLAG_SYNCS; }

struct file *file_of(int descriptor) {
  if (!is_number(descriptor)) return NULL;
  struct file *file = __atomic_load_n(&descriptors[descriptor], __ATOMIC_ACQUIRE);
  if (file == NULL) return NULL;
  // libc closes descriptors by itself too (closedir, fclose): then the number is another's now.
  struct stat status;
  if (fstat(descriptor, &status) == 0 && status.st_ino == file->inode
      && status.st_dev == file->device)
    return file;
  note_closed(descriptor);
  return NULL;
}

void set_path(struct file *file, const char *path) {
  char *copy = strdup(path);
  if (copy == NULL) return;
  pthread_mutex_lock(&file->lock);
  free(file->path);
  file->path = copy;
  pthread_mutex_unlock(&file->lock);
}

bool file_matches(struct file *file, enum fault_pattern pattern) {
  pthread_mutex_lock(&file->lock);
  bool matches = pattern_matches(pattern, file->path != NULL ? file->path : "");
  pthread_mutex_unlock(&file->lock);
  return matches;
}

/// The path that the system knows for a descriptor.
static bool path_of(int descriptor, char path[PATH_MAX]) {
  char link[40];
  snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
  ssize_t length = readlink(link, path, PATH_MAX - 1);
  if (length <= 0) return false;
  path[length] = 0;
  return true;
}

struct file *note_opened(int descriptor, int flags) {
  if (!is_number(descriptor)) return NULL;
  note_closed(descriptor);
  struct stat status;
  char path[PATH_MAX];
  if (fstat(descriptor, &status) != 0
      || !(S_ISREG(status.st_mode) || S_ISDIR(status.st_mode)) || !path_of(descriptor, path)
      || !is_below_root(path))
    return NULL;
  struct file *file = file_by_inode(status.st_dev, status.st_ino, true);
  if (file == NULL) return NULL;
  file->is_directory = S_ISDIR(status.st_mode);
  set_path(file, path);
  flags_of[descriptor] = (unsigned char)((flags & O_APPEND ? FLAG_APPENDS : 0)
                                         | (flags & (O_SYNC | O_DSYNC) ? FLAG_SYNCS : 0));
  __atomic_store_n(&descriptors[descriptor], file, __ATOMIC_RELEASE);
  return file;
}

bool find_place(int directory, const char *path, struct place *place) {
  char parent[PATH_MAX];
  size_t length = strlen(path);
  if (length == 0 || length >= sizeof parent) return false;
  memcpy(parent, path, length + 1);
  while (length > 1 && parent[length - 1] == '/') parent[--length] = 0;
  char *slash = strrchr(parent, '/');
  const char *name = path + (slash != NULL ? slash - parent + 1 : 0);
  if (slash == NULL)
    strcpy(parent, ".");
  else
    slash[slash == parent ? 1 : 0] = 0;
  int opened = REAL(openat)(directory, parent, O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (opened < 0) return false;
  struct stat status;
  char above[PATH_MAX];
  bool found = fstat(opened, &status) == 0 && path_of(opened, above);
  REAL(close)(opened);
  if (!found || !is_below_root(above)) return false;
  place->device = status.st_dev;
  place->directory = status.st_ino;
  int wanted = snprintf(place->path, sizeof place->path, "%s/%s", above, name);
  return wanted > 0 && (size_t)wanted < sizeof place->path;
}

#endif
