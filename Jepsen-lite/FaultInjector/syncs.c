// Syncs: what makes changes durable, fails to, or only says so.
#include "faults.h"

#ifdef __linux__

enum kind { SYNC_ALL, SYNC_DATA };

static int pass_on(int descriptor, enum kind kind) {
  return kind == SYNC_ALL ? REAL(fsync)(descriptor) : REAL(fdatasync)(descriptor);
}

/// What is recorded before this is covered by a sync that begins now: no write and no change of
/// names is between its record and its call.
static uint64_t begin(struct file *file) {
  pthread_mutex_t *lock = file->is_directory ? &names_lock : &file->lock;
  pthread_mutex_lock(lock);
  uint64_t sequence = journal_sequence();
  file->sync_begun = sequence;
  pthread_mutex_unlock(lock);
  return sequence;
}

static void end(struct file *file, uint64_t begun, bool succeeded) {
  if (!file->is_directory)
    journal_synced(file, 0, begun, succeeded);
  else if (succeeded)
    journal_directory_synced(file, begun);
}

static bool takes_failure(struct file *file) {
  return setting(FAULT_SYNC_FAILURES) > 0 && file_matches(file, FAULT_PATTERN_SYNC)
         && fault_take(faults_words, FAULT_SYNC_FAILURES, 1) > 0;
}

static int sync_recorded(struct file *file, int descriptor, enum kind kind) {
  slow_down(file, true);
  if (takes_failure(file)) {
    end(file, begin(file), false);
    count(FAULT_SYNCS_FAILED);
    errno = EIO;
    return -1;
  }
  if (setting(FAULT_SYNC_LIES) != 0 && file_matches(file, FAULT_PATTERN_LIE)) {
    count(FAULT_SYNCS_LIED);
    return 0;
  }
  uint64_t begun = begin(file);
  int answer = pass_on(descriptor, kind);
  int after = errno;
  end(file, begun, answer == 0);
  if (answer == 0) count(file->is_directory ? FAULT_DIRECTORY_SYNCS : FAULT_SYNCS);
  errno = after;
  return answer;
}

static int sync_anyhow(int descriptor, enum kind kind) {
  if (!faults_active()) return pass_on(descriptor, kind);
  faults_depth++;
  struct file *file = file_of(descriptor);
  int answer = file != NULL ? sync_recorded(file, descriptor, kind) : pass_on(descriptor, kind);
  faults_depth--;
  return answer;
}

int fsync(int descriptor) { return sync_anyhow(descriptor, SYNC_ALL); }
int fdatasync(int descriptor) { return sync_anyhow(descriptor, SYNC_DATA); }

// A sync of everything covers what was recorded before it began.

static void begin_all(struct file *file, void *context) {
  (void)context;
  begin(file);
}

static void end_all(struct file *file, void *context) {
  end(file, *(const uint64_t *)context, true);
}

void sync(void) {
  if (!faults_active()) {
    REAL(sync)();
    return;
  }
  faults_depth++;
  uint64_t begun = journal_sequence();
  for_each_file(begin_all, NULL);
  REAL(sync)();
  if (setting(FAULT_SYNC_LIES) == 0) for_each_file(end_all, &begun);
  faults_depth--;
}

int syncfs(int descriptor) {
  if (!faults_active()) return REAL(syncfs)(descriptor);
  faults_depth++;
  uint64_t begun = journal_sequence();
  for_each_file(begin_all, NULL);
  int answer = REAL(syncfs)(descriptor);
  int after = errno;
  if (answer == 0 && setting(FAULT_SYNC_LIES) == 0) for_each_file(end_all, &begun);
  errno = after;
  faults_depth--;
  return answer;
}

#endif
