#include "load.h"
const struct transport raw_transport;
