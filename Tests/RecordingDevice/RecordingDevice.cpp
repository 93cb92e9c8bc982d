// The device itself: its memory, its generator, what libtorch asks of any device, and the record.
#include "RecordingDevice.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/detail/PrivateUse1HooksInterface.h>
#include <c10/core/CPUAllocator.h>
#include <c10/core/DeviceType.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>

#include <algorithm>
#include <cstring>
#include <map>

#include "Internal.hpp"

namespace recording {

namespace {

// MARK: the record

struct Record {
  std::mutex mutex;
  bool is_on = false;
  intptr_t operators = 0;
  std::string host_reads;
};

Record &record() {
  static auto *const record = new Record;
  return *record;
}

// MARK: memory

/// The processor's allocator, with the device's name on what it gives.
struct DeviceAllocator final : c10::Allocator {
  c10::DataPtr allocate(size_t bytes) override {
    auto memory = c10::GetCPUAllocator()->allocate(bytes);
    memory.unsafe_set_device(device);
    return memory;
  }
  c10::DeleterFnPtr raw_deleter() const override { return c10::GetCPUAllocator()->raw_deleter(); }
  void copy_data(void *target, const void *source, size_t bytes) const override {
    std::memcpy(target, source, bytes);
  }
};

/// Knows its blocks, so that a copy that is waited for is told from one that is not.
struct PinnedAllocator final : c10::Allocator {
  struct Block {
    PinnedAllocator *owner;
    c10::DataPtr memory;
  };
  mutable std::mutex mutex;
  std::map<const char *, size_t> blocks;

  c10::DataPtr allocate(size_t bytes) override {
    auto *block = new Block{this, c10::GetCPUAllocator()->allocate(bytes)};
    const auto *start = static_cast<const char *>(block->memory.get());
    std::lock_guard<std::mutex> lock(mutex);
    if (start) blocks[start] = bytes;
    return c10::DataPtr(block->memory.get(), block, &PinnedAllocator::release, c10::kCPU);
  }
  static void release(void *context) {
    const std::unique_ptr<Block> block(static_cast<Block *>(context));
    std::lock_guard<std::mutex> lock(block->owner->mutex);
    block->owner->blocks.erase(static_cast<const char *>(block->memory.get()));
  }
  bool owns(const void *pointer) const {
    std::lock_guard<std::mutex> lock(mutex);
    const auto *address = static_cast<const char *>(pointer);
    auto next = blocks.upper_bound(address);
    if (next == blocks.begin()) return false;
    const auto &[start, bytes] = *std::prev(next);
    return address < start + bytes;
  }
  void copy_data(void *target, const void *source, size_t bytes) const override {
    std::memcpy(target, source, bytes);
  }
};

// Allocators, the generator and the hooks are never freed: tensors may outlive every static.
DeviceAllocator &device_allocator() {
  static auto *const allocator = new DeviceAllocator;
  return *allocator;
}
PinnedAllocator &pinned_allocator() {
  static auto *const allocator = new PinnedAllocator;
  return *allocator;
}

// MARK: random numbers

/// The processor's generator under the device's name.
struct DeviceGenerator final : at::CPUGeneratorImpl {
  explicit DeviceGenerator(uint64_t seed = c10::default_rng_seed_val) : CPUGeneratorImpl(seed) {
    device_ = recording::device;
    key_set_ = c10::DispatchKeySet(c10::DispatchKey::PrivateUse1);
  }
};

// MARK: what libtorch asks of any device

struct Hooks final : at::PrivateUse1HooksInterface {
  bool isBuilt() const override { return true; }
  bool isAvailable() const override { return true; }
  bool hasPrimaryContext(c10::DeviceIndex) const override { return true; }
  c10::DeviceIndex deviceCount() const override { return 1; }
  c10::DeviceIndex getCurrentDevice() const override { return 0; }
  void setCurrentDevice(c10::DeviceIndex) const override {}
  c10::DeviceIndex exchangeDevice(c10::DeviceIndex) const override { return 0; }
  c10::DeviceIndex maybeExchangeDevice(c10::DeviceIndex) const override { return 0; }
  const at::Generator &getDefaultGenerator(c10::DeviceIndex) const override {
    return default_generator();
  }
  at::Generator getNewGenerator(c10::DeviceIndex) const override {
    return at::make_generator<DeviceGenerator>();
  }
  bool isPinnedPtr(const void *pointer) const override { return is_pinned(pointer); }
  at::Allocator *getPinnedMemoryAllocator() const override { return &pinned_allocator(); }
};

/// One device, one stream, on which everything is done as soon as it is asked for.
struct Guard final : c10::impl::DeviceGuardImplInterface {
  c10::DeviceType type() const override { return device.type(); }
  c10::Device exchangeDevice(c10::Device) const override { return device; }
  c10::Device getDevice() const override { return device; }
  void setDevice(c10::Device) const override {}
  void uncheckedSetDevice(c10::Device) const noexcept override {}
  c10::DeviceIndex deviceCount() const noexcept override { return 1; }

  c10::Stream stream() const { return c10::Stream(c10::Stream::DEFAULT, device); }
  c10::Stream getStream(c10::Device) const override { return stream(); }
  c10::Stream getDefaultStream(c10::Device) const override { return stream(); }
  c10::Stream getStreamFromGlobalPool(c10::Device, bool) const override { return stream(); }
  c10::Stream getNewStream(c10::Device, int) const override { return stream(); }
  c10::Stream exchangeStream(c10::Stream) const override { return stream(); }
  bool queryStream(const c10::Stream &) const override { return true; }
  void synchronizeStream(const c10::Stream &) const override {
    note_host_read("synchronizeStream");
  }
  void synchronizeDevice(c10::DeviceIndex) const override { note_host_read("synchronizeDevice"); }

  void record(void **, const c10::Stream &, c10::DeviceIndex, c10::EventFlag) const override {}
  void block(void *, const c10::Stream &) const override {}
  bool queryEvent(void *) const override { return true; }
  void synchronizeEvent(void *) const override { note_host_read("synchronizeEvent"); }
};

// The autograd engine starts a thread for each device at the first backward pass of the process and
// none later, so the device has to be counted before anybody registers it.
const bool guard_is_known = [] {
  c10::impl::registerDeviceGuard(device.type(), new Guard);
  return true;
}();

std::string register_once() {
  try {
    // A name, its own, makes libtorch count the device as the accelerator that backward asks for.
    c10::register_privateuse1_backend("privateuseone");
    c10::SetAllocator(device.type(), &device_allocator());
    at::RegisterPrivateUse1HooksInterface(new Hooks);
    using torch::Library;
    const auto key = c10::DispatchKey::PrivateUse1;
    auto *const every = new Library(Library::IMPL, "_", key, __FILE__, __LINE__);
    every->fallback(torch::CppFunction::makeFromBoxedFunction<&run_on_host>());
    auto *const operators = new Library(Library::IMPL, "aten", key, __FILE__, __LINE__);
    register_operators(*operators);
    register_attention(*operators);
    return "";
  } catch (const c10::Error &error) {
    return error.what_without_backtrace();
  } catch (const std::exception &error) {
    return error.what();
  }
}

}  // namespace

void note_operator() {
  const std::lock_guard<std::mutex> lock(record().mutex);
  if (record().is_on) record().operators++;
}

void note_host_read(const std::string &name) {
  const std::lock_guard<std::mutex> lock(record().mutex);
  if (!record().is_on) return;
  if (!record().host_reads.empty()) record().host_reads += '\n';
  record().host_reads += name;
}

const at::Generator &default_generator() {
  static auto *const generator = new at::Generator(at::make_generator<DeviceGenerator>());
  return *generator;
}

bool is_pinned(const void *pointer) { return pinned_allocator().owns(pointer); }

}  // namespace recording

const char *recording_device_register(void) {
  static const auto *const message = new std::string(recording::register_once());
  return message->empty() ? nullptr : message->c_str();
}

void recording_device_start(void) {
  auto &record = recording::record();
  const std::lock_guard<std::mutex> lock(record.mutex);
  record.is_on = true;
  record.operators = 0;
  record.host_reads.clear();
}

intptr_t recording_device_stop(char *buffer, intptr_t capacity, intptr_t *operators) {
  auto &record = recording::record();
  const std::lock_guard<std::mutex> lock(record.mutex);
  record.is_on = false;
  *operators = record.operators;
  const auto length = static_cast<intptr_t>(record.host_reads.size());
  if (buffer && capacity > 0) {
    const intptr_t kept = std::min(length, capacity - 1);
    std::memcpy(buffer, record.host_reads.data(), kept);
    buffer[kept] = 0;
  }
  return length + 1;
}
