/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Calls that have bitten everybody are compile errors here. meson includes this file before every source file of ours
 * (-include), after the system headers below have had their say. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#undef alloca
#undef sprintf /* with clang and _FORTIFY_SOURCE these two are macros */
#undef vsprintf
#pragma GCC poison alloca strcpy strcat sprintf vsprintf gmtime localtime ctime asctime strtok atoi atol atoll gets strncpy
