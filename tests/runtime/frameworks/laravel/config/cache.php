<?php

return [
    'default' => 'redis',
    'prefix' => 'shop_cache',
    'stores' => ['redis' => ['driver' => 'redis', 'connection' => 'default']],
];
