#include "fault_control.h"
#include "fault_injector.h"
