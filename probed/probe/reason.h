/* What is known of reasoning models by their names: where to begin; the rest a route's refusals teach (manners.h). Pure. */
#ifndef PROBED_PROBE_REASON_H
#define PROBED_PROBE_REASON_H

#include <stdbool.h>

/* Names as a relay has them: "openai/gpt-5", "Pro/Qwen/Qwen3-8B". */
const char *reason_base_name(const char *model);   /* after the last slash */
bool reason_is_newer_openai(const char *model);    /* o1, o3, ..., gpt-5 and later */
bool reason_takes_effort(const char *model);       /* reasoning_effort "low" */
bool reason_takes_least_effort(const char *model); /* "minimal" */
bool reason_takes_switch(const char *model);       /* enable_thinking: can think and can leave it */
/* Gemini's generationConfig.thinkingConfig as JSON, for the least thinking; NULL = the name says nothing. */
const char *reason_gemini_config(const char *model);

#endif
