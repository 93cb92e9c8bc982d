// LMDB: a memory-mapped B+ tree of keys and values in one file.
#pragma once
#include <lmdb.h>
