// What nodes do in iterations, as `caudal metg` defines it; kernel.rs is the same for the Rust programs.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

namespace kernel {

enum class Kind { nothing, compute, memory };

// Set before nodes run: the iterations of a node in the mean, and by node its share of that, or nothing.
inline Kind kind = Kind::nothing;
inline std::uint64_t mean = 0;
inline std::vector<double> shares;

inline std::uint64_t iterations(std::size_t node) {
    return node < shares.size() ? std::uint64_t(std::llround(double(mean) * shares[node])) : mean;
}

// Says what nodes do; gives how many iterations that is together.
inline std::uint64_t set(const std::string& name, std::uint64_t of_one, std::vector<double> by_node, std::size_t nodes) {
    if (name == "compute") kind = Kind::compute;
    else if (name == "memory") kind = Kind::memory;
    else if (!name.empty()) throw std::runtime_error("--kernel: compute or memory, not " + name);
    mean = of_one;
    shares = std::move(by_node);
    std::uint64_t sum = 0;
    for (std::size_t node = 0; node < nodes; node++) sum += iterations(node);
    return sum;
}

[[gnu::noinline]] inline void compute(std::uint64_t iterations) {
    std::uint64_t number = 1;
    asm volatile("" : "+r"(number));
    for (std::uint64_t i = 0; i < iterations; i++) number = (number ^ (number >> 32)) * 6364136223846793005;
    asm volatile("" : "+r"(number));
}

// Words that a thread has for itself.
constexpr std::size_t words = std::size_t(1) << 21;
inline thread_local std::vector<std::uint64_t> scratch;
inline thread_local std::size_t next_word = 0;

[[gnu::noinline]] inline void memory(std::uint64_t iterations) {
    if (scratch.empty())
        for (std::uint64_t word = 0; word < words; word++) scratch.push_back(word);
    std::size_t left = iterations * 8;
    while (left > 0) {
        std::size_t end = std::min(words, next_word + left);
        std::uint64_t* data = scratch.data();
        for (std::size_t i = next_word; i < end; i++) data[i] = (data[i] * 3) ^ 1;
        asm volatile("" : : "r"(data) : "memory");
        left -= end - next_word;
        next_word = end % words;
    }
}

// What a node does.
inline void run(std::size_t node) {
    if (kind == Kind::compute) compute(iterations(node));
    else if (kind == Kind::memory) memory(iterations(node));
}

} // namespace kernel
