// How fast a model runs here, and how long its answers are: found out by running some of the rows.
#pragma once

#include <span>

#include "app/forecast/job_simulation.h"
#include "app/forecast/pass_costs.h"
#include "app/job/input/input_row.h"
#include "app/job/input/row_format.h"
#include "lib/engine.h"
#include "tokenizer/tokenizer.h"

namespace eet {

struct Calibration {
  PassCosts prefill;
  PassCosts decode;
  OutputLengths lengths;
  double host_seconds_per_token = 0;  // text and formatting, while no pass runs
};

// Runs `sample`, good rows of the job, to their ends or for about ten seconds, and a few of them
// again in smaller batches. The engine must have nothing to do; `tokenizer` may be null.
Calibration calibrate(Engine& engine, const Tokenizer* tokenizer, std::span<const InputRow> sample,
                      const OutputFormat& format);

}  // namespace eet
