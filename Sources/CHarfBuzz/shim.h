// HarfBuzz: text shaping, and the pictures inside colour fonts.
#pragma once
#include <harfbuzz/hb.h>
#include <harfbuzz/hb-ot.h>
