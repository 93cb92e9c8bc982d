// A device for tests that no machine needs to have: its memory is the host's and its kernels are
// the processor's, but libtorch treats it as a device of its own, as it does a GPU. A training step
// on it shows whether every tensor is where it should be, since operators refuse a mixture, and
// whether the host has to wait for values inside the step, since those operators are written down.
//
// In libtorch it is "privateuseone:0", device type 20. It keeps the operators that exist for GPUs
// alone (flash and memory-efficient attention over packed sequences) to the conditions of the real
// kernels, those that these leave unchecked included.
#pragma once
#include <stdint.h>
#pragma clang assume_nonnull begin
#ifdef __cplusplus
extern "C" {
#endif

/// Registers the device; once a process, later calls do nothing. Returns null, or the message of
/// what failed.
const char *_Nullable recording_device_register(void);

/// Forgets what was recorded, and records from now on, on every thread.
void recording_device_start(void);

/// Ends the recording and writes the operators since the start that made the host wait for values,
/// one a line ("aten::_local_scalar_dense"), cut to `capacity - 1` bytes and ended by 0; a buffer
/// of null asks for the length alone. Copies to the host are "aten::_copy_from", with
/// " non_blocking" after it where nobody waited (such a copy, into pinned memory). Waiting for the
/// device as such is "synchronizeEvent", "synchronizeStream" or "synchronizeDevice". `operators`
/// becomes how many operators ran on the device at all. Returns the number of bytes that the whole
/// text needs, the 0 included; it stays until the next start.
intptr_t recording_device_stop(char *_Nullable buffer, intptr_t capacity, intptr_t *operators);

#ifdef __cplusplus
}
#endif
#pragma clang assume_nonnull end
