#include "lib/schedule/sequence.h"

namespace eet {

SequencePtr fed_anew(const Sequence& sequence) {
  auto anew = std::make_shared<Sequence>();
  Request& request = anew->request;
  request = sequence.request;
  request.params.n = request.params.best_of = 1;  // each sample goes its own way
  request.prompt.insert(request.prompt.end(), sequence.generated.begin(), sequence.generated.end());
  anew->sample = sequence.sample;
  anew->params = sequence.params;
  anew->params.prompt_len = anew->prompt_len();
  anew->params.max_tokens += sequence.tokens_beyond;
  anew->num_carried = anew->num_issued = anew->num_generated = sequence.num_generated;
  return anew;
}

}  // namespace eet
