-- What a metadata reply holds, in the order that redis_decode.c reads.
local fields={'inc','gen','last','turn','history_count','history_size','inbox_head','inbox_tail',
  'status','created_ms','start_at_ms','started_ms','updated_ms','completed_ms','name','version',
  'request_id','parent','tags'}
