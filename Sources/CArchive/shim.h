// libarchive: reads zip, tar and ar through one interface.
#pragma once
#include <archive.h>
#include <archive_entry.h>
