// Memory for tensors on the processor: large blocks come out of segments that are mapped once and
// kept, so that a step that was run before maps nothing and faults nothing in.
//
// A block is the smallest free one that is large enough, cut where much would be left over, and
// joined with its free neighbours when it comes back. Small tensors go to the system's allocator:
// among large ones they would keep neighbours from joining.
#include <c10/core/Allocator.h>
#include <c10/core/CPUAllocator.h>
#include <c10/core/alignment.h>
#include <c10/core/impl/alloc_cpu.h>
#include <sys/mman.h>

#include <mutex>
#include <set>
#include <unordered_map>

#include "edge.hpp"

using edge::guard;

namespace {

constexpr size_t kSmallest = 64 << 10;
/// Sizes of blocks are multiples of this, and so are their addresses.
constexpr size_t kGrain = 4096;
constexpr size_t kSegment = 64 << 20;
/// What the processor maps in one piece where it may: fewer entries to look up.
constexpr size_t kHugePage = 2 << 20;

size_t rounded(size_t size, size_t step) { return (size + step - 1) / step * step; }

struct Block {
  char *start;
  size_t size;
  size_t segment;  // of the segment's size; 0 for all blocks but a segment's first
  bool is_free = true;
  Block *before = nullptr, *after = nullptr;
};

struct SmallerFirst {
  bool operator()(const Block *a, const Block *b) const {
    return a->size != b->size ? a->size < b->size : a->start < b->start;
  }
};

class KeepingAllocator final : public c10::Allocator {
 public:
  c10::DataPtr allocate(size_t size) override {
    if (size < kSmallest) {
      void *data = c10::alloc_cpu(size);
      return {data, data, &c10::free_cpu, c10::Device(c10::DeviceType::CPU)};
    }
    void *data = take(rounded(size, kGrain));
    return {data, data, &give_back, c10::Device(c10::DeviceType::CPU)};
  }

  c10::DeleterFnPtr raw_deleter() const override { return &give_back_any; }
  void copy_data(void *target, const void *source, std::size_t count) const override {
    default_copy_data(target, source, count);
  }

  void count(CTorchMemory *memory) {
    const std::lock_guard lock(mutex_);
    memory->segments = static_cast<intptr_t>(segments_);
    memory->held = static_cast<intptr_t>(held_);
    memory->used = static_cast<intptr_t>(used_);
    memory->most = static_cast<intptr_t>(most_);
  }

  void restart() {
    const std::lock_guard lock(mutex_);
    most_ = used_;
  }

  static KeepingAllocator &shared() {
    // Never destroyed: tensors may outlive every other static object.
    static auto *const allocator = new KeepingAllocator;
    return *allocator;
  }

 private:
  void *take(size_t size) {
    const std::lock_guard lock(mutex_);
    Block wanted{nullptr, size, 0};
    auto place = free_.lower_bound(&wanted);
    Block *block = place != free_.end() ? *place : map_segment(size);
    free_.erase(block);
    block->is_free = false;
    if (block->size >= size + kSmallest) split(block, size);
    used_ += block->size;
    most_ = std::max(most_, used_);
    taken_.emplace(block->start, block);
    return block->start;
  }

  Block *map_segment(size_t size) {
    const size_t whole = size >= kSegment ? rounded(size, kHugePage) : kSegment;
    void *memory = mmap(nullptr, whole, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
      unmap_free_segments();
      memory = mmap(nullptr, whole, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    }
    TORCH_CHECK_WITH(OutOfMemoryError, memory != MAP_FAILED, "not enough memory: ", size,
                     " bytes were asked for, ", used_, " are in use");
    madvise(memory, whole, MADV_HUGEPAGE);
    auto *block = new Block{static_cast<char *>(memory), whole, whole};
    segments_++;
    held_ += whole;
    free_.insert(block);
    return block;
  }

  void split(Block *block, size_t size) {
    auto *rest = new Block{block->start + size, block->size - size, 0};
    rest->before = block;
    rest->after = block->after;
    if (rest->after) rest->after->before = rest;
    block->after = rest;
    block->size = size;
    free_.insert(rest);
  }

  void put(void *data) {
    const std::lock_guard lock(mutex_);
    const auto place = taken_.find(data);
    Block *block = place->second;
    taken_.erase(place);
    used_ -= block->size;
    block->is_free = true;
    if (Block *next = block->after; next && next->is_free) {
      free_.erase(next);
      join(block, next);
    }
    if (Block *previous = block->before; previous && previous->is_free) {
      free_.erase(previous);
      join(previous, block);
      block = previous;
    }
    free_.insert(block);
  }

  static void join(Block *first, Block *second) {
    first->size += second->size;
    first->after = second->after;
    if (first->after) first->after->before = first;
    delete second;
  }

  void unmap_free_segments() {
    for (auto place = free_.begin(); place != free_.end();) {
      Block *block = *place;
      if (block->segment == 0 || block->size != block->segment) {
        ++place;
        continue;
      }
      place = free_.erase(place);
      munmap(block->start, block->segment);
      segments_--;
      held_ -= block->segment;
      delete block;
    }
  }

  static void give_back(void *data) { shared().put(data); }

  /// For memory that was asked for without its owner.
  static void give_back_any(void *data) {
    {
      const std::lock_guard lock(shared().mutex_);
      if (!shared().taken_.contains(data)) return c10::free_cpu(data);
    }
    give_back(data);
  }

  std::mutex mutex_;
  std::set<Block *, SmallerFirst> free_;
  std::unordered_map<void *, Block *> taken_;
  size_t segments_ = 0, held_ = 0, used_ = 0, most_ = 0;
};

}  // namespace

void edge::keep_memory() { c10::SetCPUAllocator(&KeepingAllocator::shared(), /*priority=*/1); }

void ctorch_memory_restart(void) { KeepingAllocator::shared().restart(); }

CTorchStatus ctorch_memory(CTorchMemory *memory) {
  return guard([&] { KeepingAllocator::shared().count(memory); });
}
