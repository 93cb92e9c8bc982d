// zlib: raw deflate streams and CRC-32.
#pragma once
#include <zlib.h>
