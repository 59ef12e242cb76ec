// Calls that change names. What was not made durable by a sync of the directory is undone by a
// power loss, so a file that loses a name is kept by another one in the journal's folder.
#include "faults.h"

#ifdef __linux__

#include <stdio.h>

pthread_mutex_t names_lock = PTHREAD_MUTEX_INITIALIZER;

/// Ends a change of names that was recorded ahead of its call.
static int finish(int answer, uint64_t sequence, const char *kept) {
  int after = errno;
  if (answer == 0) {
    count(FAULT_NAME_CHANGES);
  } else {
    journal_cancel_name(sequence);
    journal_drop_kept(kept);
  }
  pthread_mutex_unlock(&names_lock);
  errno = after;
  faults_depth--;
  return answer;
}

/// Enters the library for a name under the root, with the lock held; false: pass the call on.
static bool enter(int directory, const char *path, struct place *place) {
  if (!faults_active()) return false;
  faults_depth++;
  int before = errno;
  bool found = find_place(directory, path, place);
  errno = before;
  if (found)
    pthread_mutex_lock(&names_lock);
  else
    faults_depth--;
  return found;
}

int unlinkat(int directory, const char *path, int flags) {
  struct place place;
  if (!enter(directory, path, &place)) return REAL(unlinkat)(directory, path, flags);
  char kept[32] = "";
  bool is_directory = flags & AT_REMOVEDIR;
  if (!is_directory) journal_keep(directory, path, kept);
  uint64_t sequence = journal_name(
      is_directory ? FAULT_RECORD_REMOVE_DIRECTORY : FAULT_RECORD_UNLINK, &place, NULL, kept);
  return finish(REAL(unlinkat)(directory, path, flags), sequence, kept);
}

int unlink(const char *path) { return unlinkat(AT_FDCWD, path, 0); }
int rmdir(const char *path) { return unlinkat(AT_FDCWD, path, AT_REMOVEDIR); }

int remove(const char *path) {
  struct stat status;
  bool is_directory = lstat(path, &status) == 0 && S_ISDIR(status.st_mode);
  return unlinkat(AT_FDCWD, path, is_directory ? AT_REMOVEDIR : 0);
}

/// The file goes by its new name in patterns.
static void follow_name(int directory, const char *path, const struct place *place) {
  struct stat status;
  if (fstatat(directory, path, &status, AT_SYMLINK_NOFOLLOW) != 0) return;
  struct file *file = file_by_inode(status.st_dev, status.st_ino, false);
  if (file != NULL) set_path(file, place->path);
}

/// What is moved into the root, or out of it, or exchanged, is not followed.
static void note_untracked(int directory, const char *path) {
  struct place place;
  if (!faults_active()) return;
  faults_depth++;
  int before = errno;
  if (find_place(directory, path, &place)) count(FAULT_UNTRACKED_NAMES);
  errno = before;
  faults_depth--;
}

int renameat2(int from_directory, const char *from, int to_directory, const char *to,
              unsigned flags) {
  struct place old, new;
  char kept[32] = "";
  if (flags & ~(unsigned)RENAME_NOREPLACE || !enter(from_directory, from, &old)) {
    note_untracked(to_directory, to);
    return REAL(renameat2)(from_directory, from, to_directory, to, flags);
  }
  if (!find_place(to_directory, to, &new)) {
    count(FAULT_UNTRACKED_NAMES);
    pthread_mutex_unlock(&names_lock);
    faults_depth--;
    return REAL(renameat2)(from_directory, from, to_directory, to, flags);
  }
  if (!(flags & RENAME_NOREPLACE)) journal_keep(to_directory, to, kept);
  uint64_t sequence = journal_name(FAULT_RECORD_RENAME, &old, &new, kept);
  int answer = flags == 0
                   ? REAL(renameat)(from_directory, from, to_directory, to)
                   : REAL(renameat2)(from_directory, from, to_directory, to, flags);
  int after = errno;
  if (answer == 0) follow_name(to_directory, to, &new);
  errno = after;
  return finish(answer, sequence, kept);
}

int renameat(int from_directory, const char *from, int to_directory, const char *to) {
  return renameat2(from_directory, from, to_directory, to, 0);
}

int rename(const char *from, const char *to) {
  return renameat2(AT_FDCWD, from, AT_FDCWD, to, 0);
}

int linkat(int from_directory, const char *from, int to_directory, const char *to, int flags) {
  struct place place;
  if (!enter(to_directory, to, &place))
    return REAL(linkat)(from_directory, from, to_directory, to, flags);
  uint64_t sequence = journal_name(FAULT_RECORD_LINK, &place, NULL, "");
  return finish(REAL(linkat)(from_directory, from, to_directory, to, flags), sequence, "");
}

int link(const char *from, const char *to) { return linkat(AT_FDCWD, from, AT_FDCWD, to, 0); }

int mkdirat(int directory, const char *path, mode_t mode) {
  struct place place;
  if (!enter(directory, path, &place)) return REAL(mkdirat)(directory, path, mode);
  uint64_t sequence = journal_name(FAULT_RECORD_MAKE_DIRECTORY, &place, NULL, "");
  int answer = -1;
  if (may_make_files(place.path))
    answer = REAL(mkdirat)(directory, path, mode);
  else
    errno = ENOSPC;
  return finish(answer, sequence, "");
}

int mkdir(const char *path, mode_t mode) { return mkdirat(AT_FDCWD, path, mode); }

int symlinkat(const char *target, int directory, const char *path) {
  note_untracked(directory, path);
  return REAL(symlinkat)(target, directory, path);
}

int symlink(const char *target, const char *path) { return symlinkat(target, AT_FDCWD, path); }

#endif
