// What the C++ programs share: the shapes, a node's work, the clock, the checks and the line they print.
// README.md states the rules; common.rs is the same for the Rust programs.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <vector>

#include "kernel.hpp"
#include "patterns.hpp"

namespace graphs {

inline std::size_t root(std::size_t n) {
    std::size_t r = 0;
    while ((r + 1) * (r + 1) <= n) r++;
    return r;
}

// A graph as lists of predecessors; every predecessor has a smaller number.
struct Graph {
    std::vector<std::vector<std::size_t>> predecessors;
    // Every node's step and point, in a pattern.
    std::vector<std::pair<long, long>> places;

    std::size_t nodes() const { return predecessors.size(); }

    std::size_t edges() const {
        std::size_t sum = 0;
        for (auto& list : predecessors) sum += list.size();
        return sum;
    }

    // The nodes of the longest path.
    std::size_t depth() const {
        std::vector<std::size_t> depths;
        std::size_t most = 0;
        for (auto& list : predecessors) {
            std::size_t before = 0;
            for (auto p : list) before = std::max(before, depths[p]);
            depths.push_back(before + 1);
            most = std::max(most, before + 1);
        }
        return most;
    }

    // FNV-1a over every node's count of predecessors and their numbers.
    std::uint64_t hash() const {
        std::uint64_t hash = 0xcbf29ce484222325;
        auto add = [&](std::uint64_t number) { hash = (hash ^ number) * 0x100000001b3; };
        for (auto& list : predecessors) {
            add(list.size());
            for (auto p : list) add(p);
        }
        return hash;
    }
};

// The graph of a shape with about as many nodes; a pattern has `width` in a step.
inline Graph make(const std::string& shape, std::size_t nodes, std::size_t width) {
    if (nodes < 16 || width < 1 || width > nodes)
        throw std::runtime_error("--nodes, --width: at least 16 and 1 are needed, and no wider graph");
    Graph graph;
    auto& lists = graph.predecessors;
    if (std::find(patterns::names.begin(), patterns::names.end(), shape) != patterns::names.end()) {
        for (auto& task : patterns::tasks(shape, long(width), long(nodes / width))) {
            graph.places.push_back({task.step, task.point});
            lists.push_back(task.before);
        }
        return graph;
    }
    std::size_t side = root(nodes);
    lists.resize(shape == "wavefront" ? side * side : nodes);
    if (shape == "chain") {
        for (std::size_t k = 1; k < nodes; k++) lists[k] = {k - 1};
    } else if (shape == "fan") {
        for (std::size_t k = 1; k + 1 < nodes; k++) {
            lists[k] = {0};
            lists[nodes - 1].push_back(k);
        }
    } else if (shape == "layered") {
        for (std::size_t k = side; k < nodes; k++) {
            std::size_t before = (k / side - 1) * side, i = k % side;
            lists[k] = {before + (i + side - 1) % side, before + i, before + (i + 1) % side};
        }
    } else if (shape == "wavefront") {
        for (std::size_t k = 0; k < side * side; k++) {
            if (k % side > 0) lists[k].push_back(k - 1);
            if (k >= side) lists[k].push_back(k - side);
        }
    } else if (shape == "random") {
        std::uint64_t state = 42;
        auto draw = [&] {
            state = state * 6364136223846793005 + 1442695040888963407;
            return std::size_t(state >> 33);
        };
        for (std::size_t k = 1; k < nodes; k++) {
            for (std::size_t left = draw() % 4; left > 0; left--) {
                std::size_t p = k - 1 - draw() % std::min<std::size_t>(k, 32);
                auto& list = lists[k];
                if (std::find(list.begin(), list.end(), p) == list.end()) list.push_back(p);
            }
        }
    } else {
        throw std::runtime_error("--shape: chain, fan, layered, wavefront, random or a pattern, not " + shape);
    }
    return graph;
}

// How often each thread has run a node, a cache line (and its neighbour) apart.
struct alignas(128) Count {
    std::atomic<std::uint64_t> runs{0};
};
inline Count counts[256];
inline std::atomic<std::size_t> threads_seen{0};
inline thread_local Count* own_count = nullptr;

// What nodes do, set before they run.
inline std::int64_t work_ns = 0;
inline bool checking = false;
inline std::vector<std::atomic<std::size_t>> tickets;
inline std::atomic<std::size_t> next_ticket{1};
inline std::atomic<bool> twice{false};

[[gnu::noinline, gnu::cold]] inline Count* claim_count() {
    std::size_t slot = threads_seen.fetch_add(1);
    if (slot >= 256) std::abort();
    return own_count = &counts[slot];
}

[[gnu::noinline, gnu::cold]] inline void take_ticket(std::size_t node) {
    if (tickets[node].exchange(next_ticket.fetch_add(1)) != 0) twice = true;
}

[[gnu::noinline]] inline void spin() {
    auto start = std::chrono::steady_clock::now();
    while ((std::chrono::steady_clock::now() - start).count() < work_ns) {
    }
}

// The body of every node.
inline void visit(std::size_t node) {
    Count* count = own_count;
    if (!count) [[unlikely]] count = claim_count();
    count->runs.store(count->runs.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    if (checking) [[unlikely]] {
        take_ticket(node);
    } else {
        if (work_ns > 0) spin();
        kernel::run(node);
    }
}

inline std::uint64_t runs_so_far() {
    std::uint64_t sum = 0;
    for (auto& count : counts) sum += count.runs.load();
    return sum;
}

struct Settings {
    std::string shape = "chain";
    std::size_t nodes = 1000, threads = 1, width = 8;
    std::int64_t work_ns = 0;
    std::string kernel;
    std::uint64_t iterations = 0;
    double imbalance = 0;
    double seconds = 0.5;
    bool lightweight = false; // oneTBB alone
};

inline Settings settings(int count, char** arguments) {
    Settings settings;
    for (int i = 1; i < count; i++) {
        std::string flag = arguments[i];
        if (flag == "--lightweight") {
            settings.lightweight = true;
            continue;
        }
        if (i + 1 == count) throw std::runtime_error(flag + " needs a value");
        std::string value = arguments[++i];
        if (flag == "--shape") settings.shape = value;
        else if (flag == "--nodes") settings.nodes = std::stoul(value);
        else if (flag == "--width") settings.width = std::stoul(value);
        else if (flag == "--kernel") settings.kernel = value;
        else if (flag == "--iterations") settings.iterations = std::stoul(value);
        else if (flag == "--imbalance") settings.imbalance = std::stod(value);
        else if (flag == "--work-ns") settings.work_ns = std::stol(value);
        else if (flag == "--threads") settings.threads = std::stoul(value);
        else if (flag == "--seconds") settings.seconds = std::stod(value);
        else throw std::runtime_error("unknown flag " + flag);
    }
    return settings;
}

inline double seconds_since(std::chrono::steady_clock::time_point start) {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

inline std::string summary(std::vector<double> seconds, std::size_t nodes) {
    std::sort(seconds.begin(), seconds.end());
    auto at = [&](double share) { return seconds[std::size_t(share * double(seconds.size() - 1))] * 1e9; };
    auto line = [&](double by, const char* form) {
        char text[200];
        std::snprintf(text, sizeof text, form, at(0) / by, at(0.25) / by, at(0.5) / by, at(0.75) / by);
        return std::string(text);
    };
    return "{\"repetitions\":" + std::to_string(seconds.size()) + ",\"ns_per_node\":"
        + line(double(nodes), "{\"best\":%.2f,\"q1\":%.2f,\"median\":%.2f,\"q3\":%.2f}")
        + ",\"makespan_ns\":" + line(1, "{\"best\":%.0f,\"q1\":%.0f,\"median\":%.0f,\"q3\":%.0f}") + "}";
}

// Checks the graph that `build` gives, times `run` on it again and again, then building and running it
// anew, and prints a line. `build` returns something that owns the graph.
template <class Build, class Run>
void measure(const Settings& s, const char* library, const std::string& version, const Graph& graph,
             Build build, Run run) {
    auto once = [&](auto& built) {
        auto before = runs_so_far();
        auto start = std::chrono::steady_clock::now();
        run(built);
        auto seconds = seconds_since(start);
        if (runs_so_far() - before != graph.nodes())
            throw std::runtime_error("a repetition ran " + std::to_string(runs_so_far() - before) + " nodes");
        return seconds;
    };
    work_ns = s.work_ns;
    std::vector<double> shares;
    if (s.imbalance != 0)
        for (auto [step, point] : graph.places) shares.push_back(patterns::share(s.imbalance, step, point));
    auto iterations = kernel::set(s.kernel, s.iterations, shares, graph.nodes());
    auto built = build();

    checking = true;
    tickets = std::vector<std::atomic<std::size_t>>(graph.nodes());
    for (int repetition = 0; repetition < 2; repetition++) {
        for (auto& ticket : tickets) ticket = 0;
        once(built);
        for (std::size_t k = 0; k < graph.nodes(); k++)
            for (auto p : graph.predecessors[k])
                if (tickets[p] >= tickets[k]) throw std::runtime_error("a node ran before a predecessor");
    }
    if (twice) throw std::runtime_error("a node ran twice");
    checking = false;

    std::vector<double> runs, with_build;
    auto start = std::chrono::steady_clock::now();
    do once(built); while (seconds_since(start) < s.seconds / 10);
    start = std::chrono::steady_clock::now();
    do runs.push_back(once(built)); while (seconds_since(start) < s.seconds || runs.size() < 3);
    start = std::chrono::steady_clock::now();
    do {
        auto begin = std::chrono::steady_clock::now();
        auto fresh = build();
        run(fresh);
        with_build.push_back(seconds_since(begin));
    } while (seconds_since(start) < s.seconds / 4 || with_build.size() < 3);

    std::printf("{\"library\":\"%s\",\"version\":\"%s\",\"shape\":\"%s\",\"nodes\":%zu,\"edges\":%zu,\"depth\":%zu,"
                "\"graph\":\"%016lx\",\"work_ns\":%ld,\"kernel\":\"%s\",\"iterations\":%lu,\"all_iterations\":%lu,\"threads\":%zu,\"reuses\":true,\"run\":%s,\"build_and_run\":%s}\n",
                library, version.c_str(), s.shape.c_str(), graph.nodes(), graph.edges(), graph.depth(),
                (unsigned long)graph.hash(), long(s.work_ns), s.kernel.c_str(), (unsigned long)s.iterations,
                (unsigned long)iterations, s.threads, summary(runs, graph.nodes()).c_str(),
                summary(with_build, graph.nodes()).c_str());
}

// Runs `body` and turns an exception into a message.
template <class Body>
int guarded(const char* name, Body body) {
    try {
        body();
        return 0;
    } catch (const std::exception& error) {
        std::fprintf(stderr, "%s: %s\n", name, error.what());
        return 1;
    }
}

} // namespace graphs
