// The settings of glibc's allocator, which its module for Swift leaves out.
#include <malloc.h>
